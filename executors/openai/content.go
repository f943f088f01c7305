package openai

import (
	"encoding/json"
	"strings"

	"github.com/parley-run/parley/executors/internal/lenient"
)

// maxParts bounds how deep parts are nested within parts.
const maxParts = 8

// contentText returns the text in a message's content: a string, a part, or a list of
// them. Thoughts, and parts that are no text, do not count. Refusal is the text of parts
// in which the model declines.
func contentText(raw json.RawMessage) (said, refusal string) {
	var said1, refusal1 strings.Builder
	addContent(raw, &said1, &refusal1, maxParts)
	return said1.String(), refusal1.String()
}

func addContent(raw json.RawMessage, said, refusal *strings.Builder, depth int) {
	if len(raw) == 0 || depth == 0 {
		return
	}
	var list []json.RawMessage
	switch {
	case json.Unmarshal(raw, &list) == nil:
		for _, part := range list {
			addContent(part, said, refusal, depth-1)
		}
		return
	case raw[0] != '{':
		said.WriteString(lenient.Word(raw))
		return
	}
	part := lenient.Read(raw)
	kind := strings.ToLower(part.Word("type"))
	switch {
	case isThought(kind, part):
	case kind == "refusal":
		refusal.WriteString(part.Word("refusal"))
	case kind == "" || strings.Contains(kind, "text"):
		for _, key := range []string{"text", "value", "content", "parts"} {
			if part.Has(key) {
				addContent(part[key], said, refusal, depth-1)
				return
			}
		}
	}
}

// isThought reports whether a part is not meant for the reader.
func isThought(kind string, part lenient.Object) bool {
	if part.Word("thought") != "" || string(part["thought"]) == "true" {
		return true
	}
	for _, word := range []string{"think", "reason", "thought", "analysis", "summary"} {
		if strings.Contains(kind, word) {
			return true
		}
	}
	return false
}
