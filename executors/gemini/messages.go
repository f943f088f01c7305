package gemini

import (
	"encoding/json"
	"strings"

	"google.golang.org/genai"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// silence stands for the other side's turn where nothing came of it: a request
// has to end with that.
const silence = "(no answer)"

// unsigned is the signature that newer models take for a call that they have
// not made themselves, or whose own has not been kept. Without any they reject
// the conversation.
var unsigned = []byte("skip_thought_signature_validator")

// messages are the instructions and the conversation in the API's terms. System
// messages have no place among the others there. The conversation begins with
// the other side, if only with the opening, and ends with it.
func (e *Executor) messages(conv []conversation.Message, signatures map[string][]byte) (*genai.Content, []*genai.Content) {
	var (
		system []*genai.Part
		out    []*genai.Content
		tools  = map[string]string{} // the tool's name by the call's id
	)
	if e.cfg.Instructions != "" {
		system = append(system, &genai.Part{Text: e.cfg.Instructions})
	}
	for _, m := range modelcall.Pair(modelcall.Window(conv, e.cfg.MaxHistoryMessages), modelcall.Valid) {
		if m.Role == conversation.RoleSystem {
			if text := modelcall.Content(m); !blank(text) {
				system = append(system, &genai.Part{Text: text})
			}
			continue
		}
		c := translate(m, tools, signatures)
		if len(c.Parts) == 0 {
			continue
		}
		if len(out) == 0 && c.Role == genai.RoleModel {
			out = append(out, genai.NewContentFromText(e.cfg.Opening, genai.RoleUser))
		}
		// Calls have to come directly behind the other side's words or a result.
		if last := len(out) - 1; last >= 0 && c.Role == genai.RoleModel && out[last].Role == genai.RoleModel {
			out[last].Parts = append(out[last].Parts, c.Parts...)
			continue
		}
		out = append(out, c)
	}
	switch {
	case len(out) == 0:
		out = append(out, genai.NewContentFromText(e.cfg.Opening, genai.RoleUser))
	case out[len(out)-1].Role == genai.RoleModel:
		out = append(out, genai.NewContentFromText(silence, genai.RoleUser))
	}
	if len(system) == 0 {
		return nil, out
	}
	return &genai.Content{Parts: system}, out
}

// translate turns one message into the content the API wants for it.
func translate(m conversation.Message, tools map[string]string, signatures map[string][]byte) *genai.Content {
	c := &genai.Content{Role: genai.RoleUser}
	if m.Role == conversation.RoleAssistant {
		c.Role = genai.RoleModel
	} else {
		for _, p := range m.Parts {
			if p.ToolResult != nil {
				c.Parts = append(c.Parts, result(p.ToolResult, tools))
			}
		}
	}
	if text := modelcall.Content(m); !blank(text) {
		c.Parts = append(c.Parts, &genai.Part{Text: text})
	}
	if m.Role == conversation.RoleAssistant {
		for _, call := range m.ToolCalls() {
			tools[call.ID] = call.Name
			signature, kept := signatures[call.ID]
			if !kept {
				signature = unsigned
			}
			c.Parts = append(c.Parts, &genai.Part{
				FunctionCall:     &genai.FunctionCall{ID: call.ID, Name: call.Name, Args: arguments(&call)},
				ThoughtSignature: signature,
			})
		}
	}
	return c
}

func result(r *conversation.ToolResult, tools map[string]string) *genai.Part {
	key := "output"
	if r.IsError {
		key = "error"
	}
	return &genai.Part{FunctionResponse: &genai.FunctionResponse{
		ID: r.CallID, Name: tools[r.CallID], Response: map[string]any{key: modelcall.Valid(r.Content)},
	}}
}

func arguments(call *conversation.ToolCall) map[string]any {
	var args map[string]any
	_ = json.Unmarshal(modelcall.Arguments(call), &args) // an object: it cannot fail
	return args
}

func blank(s string) bool { return strings.TrimSpace(s) == "" }
