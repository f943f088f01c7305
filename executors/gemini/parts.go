package gemini

import (
	"encoding/json"
	"strings"

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
// sent back unless they are signed. Of an answer that is too large to be recorded, no part
// is.
func (a *answer) keep(p lenient.Object, isCall bool) {
	back := returned(p, isCall)
	if back == nil {
		return
	}
	for name, value := range p {
		if name != callField && name != "function_call" { // the message has the calls
			a.returned += len(value)
		}
	}
	switch {
	case a.returned > conversation.MaxProviderState:
		a.parts, a.joined = nil, nil
	case plain(back) && a.joined != nil:
		a.joined.WriteString(p.Text("text"))
	default:
		a.parts, a.joined = append(a.parts, back), nil
		if plain(back) { // further pieces may follow
			a.joined = &joined{}
			a.joined.WriteString(p.Text("text"))
			back["text"] = a.joined
		}
	}
}

// returned is a part of the answer as it is sent back, or nil if it is not.
func returned(p lenient.Object, isCall bool) part {
	signature, thought := p.Text(signatureField, "thought_signature"), p.True("thought")
	back := part{}
	switch {
	case isCall:
		back[callField] = nil
	case thought && signature == "":
		return nil
	case p.Text("text") != "":
		back["text"] = p.Text("text")
	default:
		for name, value := range p {
			if name != "thought" && name != "thought_signature" && name != signatureField && name != "text" {
				back[name] = value
			}
		}
		switch {
		case len(back) == 0 && signature == "":
			return nil
		case len(back) == 0:
			back["text"] = "" // the signature of the end of a stream
		}
	}
	if thought && !isCall {
		back["thought"] = true
	}
	if signature != "" {
		back[signatureField] = signature
	}
	return back
}

// plain reports whether a part is text without a signature, of which pieces of a
// stream are joined.
func plain(p part) bool {
	_, isText := p["text"]
	return isText && len(p) == 1
}

// joined is a text in pieces.
type joined struct{ strings.Builder }

// MarshalJSON returns the text.
func (j *joined) MarshalJSON() ([]byte, error) { return json.Marshal(j.String()) }

// state returns the parts of a message with calls, to be recorded beside it.
func (e *Executor) state(a *answer) *conversation.ProviderState {
	data, err := json.Marshal(a.parts)
	if err != nil || a.parts == nil || len(data) > conversation.MaxProviderState {
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
	f := part{"id": c.ID, "name": modelcall.ToolName(c.Name)}
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
		"id": r.CallID, "name": modelcall.ToolName(name), "response": part{key: modelcall.Valid(r.Content)},
	}}
}
