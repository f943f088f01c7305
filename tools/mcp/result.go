package mcp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/parley-run/parley/tools"
)

func failure(text string) tools.Result { return tools.Result{Content: text, IsError: true} }

// translate makes one text of a tool's result. Structured content is left out if a
// text repeats it, as the protocol asks servers to do.
func translate(r *sdk.CallToolResult) tools.Result {
	var (
		texts []string
		said  bool
	)
	for _, content := range r.Content {
		text := describe(content)
		texts = append(texts, text)
		said = said || r.StructuredContent != nil && same(text, r.StructuredContent)
	}
	if r.StructuredContent != nil && !said {
		var data bytes.Buffer
		enc := json.NewEncoder(&data)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(r.StructuredContent); err == nil {
			texts = append(texts, strings.TrimSpace(data.String()))
		}
	}
	out := tools.Result{Content: strings.Join(texts, "\n"), IsError: r.IsError}
	if out.IsError && out.Content == "" {
		out.Content = "The tool failed without a reason."
	}
	return out
}

func same(text string, structured any) bool {
	var value any
	return json.Unmarshal([]byte(text), &value) == nil && reflect.DeepEqual(value, structured)
}

// describe returns the text for a piece of content.
func describe(content sdk.Content) string {
	switch c := content.(type) {
	case *sdk.TextContent:
		return c.Text
	case *sdk.ImageContent:
		return thing("image", c.MIMEType, len(c.Data))
	case *sdk.AudioContent:
		return thing("audio", c.MIMEType, len(c.Data))
	case *sdk.EmbeddedResource:
		if c.Resource == nil {
			return "[resource]"
		}
		if len(c.Resource.Blob) == 0 {
			return c.Resource.Text
		}
		return thing("resource "+c.Resource.URI, c.Resource.MIMEType, len(c.Resource.Blob))
	case *sdk.ResourceLink:
		size := -1
		if c.Size != nil {
			size = int(*c.Size)
		}
		return thing("link "+c.URI, c.MIMEType, size)
	}
	return "[content that is not text]"
}

// thing returns "[image: image/png, 120 bytes]".
func thing(what, mimeType string, size int) string {
	var about []string
	if mimeType != "" {
		about = append(about, mimeType)
	}
	if size >= 0 {
		about = append(about, fmt.Sprintf("%d bytes", size))
	}
	if len(about) == 0 {
		return "[" + what + "]"
	}
	return "[" + what + ": " + strings.Join(about, ", ") + "]"
}
