package modelcall

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/parley-run/parley/conversation"
)

// maxNested bounds how often arguments that are a text are read again.
const maxNested = 4

// Mend returns the JSON object that a model's arguments are meant to be, where only one
// can be meant: no arguments, an object within a text (once or more), within a code block
// or as the only element of a list, the same object twice, an empty one before the real
// one, line breaks within texts, commas before a closing bracket, and anything that is not
// JSON after the object. Numbers keep their digits. It reports false for all else.
func Mend(arguments string) (json.RawMessage, bool) {
	for range maxNested {
		text := strings.TrimSpace(strings.TrimPrefix(arguments, "\ufeff"))
		if text == "" || text == "null" {
			return json.RawMessage("{}"), true
		}
		text = unfenced(text)
		if object, ok := object(text); ok {
			return object, true
		}
		var inner string
		if json.Unmarshal([]byte(text), &inner) != nil {
			return nil, false
		}
		arguments = inner
	}
	return nil, false
}

// unfenced returns the content of a code block.
func unfenced(text string) string {
	if !strings.HasPrefix(text, "```") {
		return text
	}
	_, body, ok := strings.Cut(text, "\n") // the first line names a language
	if !ok {
		body = strings.TrimLeft(strings.TrimPrefix(text, "```"), "jsonJSON5c \t")
	}
	body, _, _ = strings.Cut(body, "\n```")
	return strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(body), "```"))
}

// object returns the only object that the text can mean.
func object(text string) (json.RawMessage, bool) {
	var list []json.RawMessage
	if strings.HasPrefix(text, "[") && json.Unmarshal([]byte(text), &list) == nil && len(list) == 1 {
		text = string(bytes.TrimSpace(list[0]))
	}
	if !strings.HasPrefix(text, "{") {
		return nil, false
	}
	out, ok := objects(text)
	if !ok {
		out, ok = objects(tolerant(text))
	}
	return out, ok
}

// objects reads one object, or several of which only one counts.
func objects(text string) (json.RawMessage, bool) {
	var out []byte
	for rest := text; strings.HasPrefix(rest, "{"); {
		d := json.NewDecoder(strings.NewReader(rest))
		var raw json.RawMessage
		if d.Decode(&raw) != nil {
			return nil, false // it may be the real one
		}
		var next bytes.Buffer
		_ = json.Compact(&next, raw) // cannot fail: it was decoded
		switch {
		case out == nil, string(out) == "{}":
			out = next.Bytes()
		case next.String() != "{}" && !bytes.Equal(out, next.Bytes()):
			return nil, false
		}
		rest = strings.TrimSpace(rest[d.InputOffset():])
		if !strings.HasPrefix(rest, "{") && strings.ContainsAny(rest, `{"`) {
			return nil, false
		}
	}
	return out, out != nil
}

// tolerant escapes control characters within texts, and drops commas before a closing
// bracket.
func tolerant(text string) string {
	var (
		out     strings.Builder
		inText  bool
		escaped bool
	)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case inText && c < ' ':
			quoted, _ := json.Marshal(string(rune(c))) // cannot fail for a string
			out.Write(quoted[1 : len(quoted)-1])
			escaped = false
			continue
		case inText && escaped:
			escaped = false
		case inText && c == '\\':
			escaped = true
		case c == '"':
			inText = !inText
		case !inText && c == ',':
			if rest := strings.TrimLeft(text[i+1:], " \t\r\n"); rest != "" && (rest[0] == '}' || rest[0] == ']') {
				continue
			}
		}
		out.WriteByte(c)
	}
	return out.String()
}

// Fault says what is wrong with the arguments of a call, for the model. Empty: they are a
// JSON object, or there are none.
func Fault(c *conversation.ToolCall) string {
	raw := bytes.TrimSpace(c.Arguments)
	if len(raw) == 0 || string(raw) == "null" || raw[0] == '{' && json.Valid(raw) {
		return ""
	}
	return "the arguments are not a JSON object"
}
