package gemini

import (
	"encoding/json"
	"strings"

	"google.golang.org/genai"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// silence is sent for a user's turn without content: a request must end with the
// user.
const silence = "(no answer)"

// unsigned is the signature that newer models accept for a call that they did not
// make or whose signature is lost. Without one they reject the conversation.
var unsigned = []byte("skip_thought_signature_validator")

// messages returns the instructions and the conversation in the API's format.
// System messages become part of the instructions. The conversation begins with the
// user, if only with the opening, and ends with the user.
func (e *Executor) messages(req executors.Request, signatures map[string][]byte) (*genai.Content, []*genai.Content) {
	var (
		system []*genai.Part
		out    []*genai.Content
		tools  = map[string]string{} // tool names by the id of the call
	)
	if e.cfg.Instructions != "" {
		system = append(system, &genai.Part{Text: e.cfg.Instructions})
	}
	kept, _ := modelcall.Window(req, e.cfg.MaxHistoryMessages)
	for _, m := range modelcall.Pair(conversation.Alternating(kept), modelcall.Valid) {
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
		// A call must directly follow a user's message or a tool result.
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

// translate returns the API's content for a message.
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
	_ = json.Unmarshal(modelcall.Arguments(call), &args) // cannot fail for an object
	return args
}

func blank(s string) bool { return strings.TrimSpace(s) == "" }
