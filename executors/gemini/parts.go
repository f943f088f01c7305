package gemini

import (
	"encoding/json"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/lenient"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// A content is a message in the API's format. The SDK's type would pass numbers in
// arguments through float64, which changes ids of 64 bits.
type content struct {
	Role  string `json:"role"`
	Parts []part `json:"parts"`
}

// A part of a message, by its fields.
type part map[string]any

func textPart(text string) part { return part{"text": text} }

func textContent(role, text string) content { return content{role, []part{textPart(text)}} }

// Fields of a part that are read here.
const (
	callField      = "functionCall"
	signatureField = "thoughtSignature"
)

// unsigned is the signature that newer models accept for a call that they did not
// make or whose signature is lost. Without one they reject the conversation.
var unsigned = []byte("skip_thought_signature_validator")

// keep adds a part of the answer to what is sent back with the results of calls, in
// its place: the API requires signatures on the parts that had them. Thoughts are not
// sent back unless they are signed. The message has the calls themselves.
func (a *answer) keep(p lenient.Object, isCall bool) {
	signature := p.Text(signatureField, "thought_signature")
	text := p.Text("text")
	back := part{}
	switch {
	case isCall:
		back[callField] = nil
	case p.True("thought") && signature == "":
		return
	case p.Get("text") != nil:
		if text == "" && signature == "" {
			return
		}
		back["text"] = text
		if p.True("thought") {
			back["thought"] = true
		}
	default:
		for name, value := range p {
			back[name] = value
		}
		delete(back, "thought_signature")
	}
	if signature != "" {
		back[signatureField] = signature
	}
	if a.returned += len(signature) + len(text); a.returned > conversation.MaxProviderState {
		return // state drops them all
	}
	if last := len(a.parts) - 1; signature == "" && last >= 0 && plain(back) && plain(a.parts[last]) {
		before, _ := a.parts[last]["text"].(string)
		a.parts[last] = textPart(before + text)
		return
	}
	a.parts = append(a.parts, back)
}

// plain reports whether a part is text without a signature, of which pieces of a
// stream may be joined.
func plain(p part) bool {
	_, isText := p["text"]
	return isText && len(p) == 1
}

// state returns the parts of a message with calls, to be recorded beside it.
func (e *Executor) state(parts []part) *conversation.ProviderState {
	data, err := json.Marshal(parts)
	if err != nil || len(data) > conversation.MaxProviderState {
		return nil
	}
	return &conversation.ProviderState{Model: e.cfg.Model, Data: data}
}

// recorded returns the recorded parts of a message with the calls in their places, or
// nil if there are none for this model.
func (e *Executor) recorded(m conversation.Message) []part {
	if m.State == nil || m.State.Model != e.cfg.Model {
		return nil // another model rejects the signatures
	}
	var raw []lenient.Object
	if json.Unmarshal(m.State.Data, &raw) != nil {
		return nil
	}
	calls := m.ToolCalls()
	parts := make([]part, 0, len(raw))
	for _, p := range raw {
		out := part{}
		for name, value := range p {
			out[name] = value
		}
		if _, isCall := p[callField]; isCall {
			if len(calls) == 0 {
				return nil
			}
			out[callField] = functionCall(&calls[0])
			calls = calls[1:]
		}
		parts = append(parts, out)
	}
	if len(calls) > 0 {
		return nil
	}
	return parts
}

func functionCall(c *conversation.ToolCall) part {
	f := part{"id": c.ID, "name": c.Name}
	if args := modelcall.Arguments(c); string(args) != "{}" {
		f["args"] = args
	}
	return f
}

func functionResponse(r *conversation.ToolResult, name string) part {
	key := "output"
	if r.IsError {
		key = "error"
	}
	return part{"functionResponse": part{
		"id": r.CallID, "name": name, "response": part{key: modelcall.Valid(r.Content)},
	}}
}
