package a2a

import (
	"encoding/json"
	"net/url"
	"strings"

	"github.com/parley-run/parley/internal/printable"
)

// A part of a message or an artifact, in either version of the protocol: version
// 0.3 states its kind, in 1.0 the field that is set is the kind.
type part struct {
	Kind     string          `json:"kind"`
	Type     string          `json:"type"` // the kind before version 0.2.2
	Text     string          `json:"text"`
	Data     json.RawMessage `json:"data"`
	Metadata json.RawMessage `json:"metadata"`

	// Fields of a file in version 1.0, and the file in 0.3.
	URL      string `json:"url"`
	Raw      string `json:"raw"`
	Filename string `json:"filename"`
	File     *file  `json:"file"`
}

type file struct {
	URI   string `json:"uri"`
	Bytes string `json:"bytes"`
	Name  string `json:"name"`
}

// kind returns text, data or file, or another word for a part that is skipped.
func (p *part) kind() string {
	switch {
	case p.Kind != "":
		return p.Kind
	case p.Type != "":
		return p.Type
	case p.Text != "":
		return "text"
	case len(p.Data) > 0:
		return "data"
	case p.File != nil || p.URL != "" || p.Raw != "":
		return "file"
	}
	return ""
}

// internal reports whether the part is the agent's own thought or its call of a tool.
// Google's Agent Development Kit sends these as text and data, marked so.
func (p *part) internal() bool {
	if len(p.Metadata) == 0 {
		return false
	}
	var marks map[string]any
	if json.Unmarshal(p.Metadata, &marks) != nil {
		return false
	}
	for _, prefix := range []string{"", "adk_"} {
		if marks[prefix+"thought"] == true {
			return true
		}
		switch marks[prefix+"type"] {
		case "function_call", "function_response", "code_execution_result", "executable_code":
			return true
		}
	}
	return false
}

// maxFileName bounds a file's name in the text.
const maxFileName = 200

// file returns the address of the file, if a reader can open it, and its name.
func (p *part) file() (address, name string) {
	address, name = p.URL, p.Filename
	if p.File != nil {
		address, name = p.File.URI, p.File.Name
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || !strings.HasPrefix(strings.ToLower(u.Scheme), "http") {
		address = "" // data: or a path on the agent's side
	}
	return address, printable.Name(name, maxFileName)
}
