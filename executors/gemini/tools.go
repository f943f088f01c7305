package gemini

import (
	"encoding/json"
	"slices"

	"google.golang.org/genai"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// offer returns the tools in the API's format.
func offer(tools []conversation.Tool) []*genai.Tool {
	if len(tools) == 0 {
		return nil
	}
	all := &genai.Tool{}
	for _, t := range tools {
		f := &genai.FunctionDeclaration{Name: t.Name, Description: modelcall.Valid(t.Description)}
		if schema := modelcall.Schema(t); hasProperties(schema) { // the API rejects a schema without properties
			f.ParametersJsonSchema = schema
		}
		all.FunctionDeclarations = append(all.FunctionDeclarations, f)
	}
	return []*genai.Tool{all}
}

func hasProperties(schema json.RawMessage) bool {
	var fields map[string]json.RawMessage
	_ = json.Unmarshal(schema, &fields) // cannot fail for an object
	for name, value := range fields {
		if name != "type" && name != "description" && name != "title" && name != "additionalProperties" &&
			!slices.Contains([]string{"{}", "[]", "null"}, string(value)) {
			return true
		}
	}
	return false
}

// restrict removes from toolConfig what does not fit the request: the API rejects a
// choice without tools, and streamed arguments are not supported here.
func restrict(body map[string]any) {
	config, _ := body["toolConfig"].(map[string]any)
	calling, _ := config["functionCallingConfig"].(map[string]any)
	delete(calling, "streamFunctionCallArguments")
	if body["tools"] == nil {
		delete(config, "functionCallingConfig")
	}
	if config != nil && len(config) == 0 {
		delete(body, "toolConfig")
	}
}

// maxState is the largest state that an executor may return.
const maxState = 4 << 10

// A state is the model's signatures of its tool calls. The API requires them in
// later requests, and the model continues its thinking from them.
type state struct {
	Model string `json:"model"`
	// Calls are the oldest first.
	Calls []signed `json:"calls"`
}

// A signed call. Of several calls in one message only the first has a signature.
type signed struct {
	ID        string `json:"id"`
	Signature []byte `json:"signature,omitempty"`
}

// signatures returns the kept ones by the call's id, including calls without one.
func (e *Executor) signatures(raw json.RawMessage) map[string][]byte {
	out := map[string][]byte{}
	for _, c := range e.signed(raw) {
		out[c.ID] = c.Signature
	}
	return out
}

func (e *Executor) signed(raw json.RawMessage) []signed {
	var s state
	if json.Unmarshal(raw, &s) != nil || s.Model != e.cfg.Model {
		return nil // another model rejects them
	}
	return s.Calls
}

// keep returns the state after the result: the newest signatures that fit into
// maxState.
func (e *Executor) keep(req executors.Request, res executors.Result, a *answer) json.RawMessage {
	there := map[string]bool{}
	for _, m := range req.Messages {
		for _, c := range m.ToolCalls() {
			there[c.ID] = true
		}
	}
	var calls []signed
	for _, c := range e.signed(req.State) {
		if there[c.ID] {
			calls = append(calls, c)
		}
	}
	for i, c := range res.Message.ToolCalls() {
		calls = append(calls, signed{c.ID, a.signatures[i]})
	}
	var (
		s   = state{Model: e.cfg.Model}
		out json.RawMessage
	)
	for _, c := range slices.Backward(calls) {
		more := state{s.Model, slices.Insert(slices.Clone(s.Calls), 0, c)}
		if raw, err := json.Marshal(more); err == nil && len(raw) <= maxState {
			s, out = more, raw
		}
	}
	return out
}
