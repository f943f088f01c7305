package gemini

import (
	"strings"

	"google.golang.org/genai"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// silence is sent for a user's turn without content: a request must end with the
// user.
const silence = "(no answer)"

// messages returns the instructions and the conversation in the API's format.
// System messages become part of the instructions. The conversation begins with the
// user, if only with the opening, and ends with the user.
func (e *Executor) messages(req executors.Request) (*genai.Content, []content) {
	var (
		system []*genai.Part
		out    []content
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
		c := e.translate(m, tools)
		if len(c.Parts) == 0 {
			continue
		}
		if len(out) == 0 && c.Role == genai.RoleModel {
			out = append(out, textContent(genai.RoleUser, e.cfg.Opening))
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
		out = append(out, textContent(genai.RoleUser, e.cfg.Opening))
	case out[len(out)-1].Role == genai.RoleModel:
		out = append(out, textContent(genai.RoleUser, silence))
	}
	if len(system) == 0 {
		return nil, out
	}
	return &genai.Content{Parts: system}, out
}

// translate returns the API's content for a message.
func (e *Executor) translate(m conversation.Message, tools map[string]string) content {
	if m.Role == conversation.RoleAssistant {
		return content{genai.RoleModel, e.said(m, tools)}
	}
	c := content{Role: genai.RoleUser}
	for _, p := range m.Parts {
		if r := p.ToolResult; r != nil {
			c.Parts = append(c.Parts, functionResponse(r, tools[r.CallID]))
		}
	}
	if text := modelcall.Content(m); !blank(text) {
		c.Parts = append(c.Parts, textPart(text))
	}
	return c
}

// said returns the parts of the agent's message.
func (e *Executor) said(m conversation.Message, tools map[string]string) []part {
	calls := m.ToolCalls()
	for _, c := range calls {
		tools[c.ID] = c.Name
	}
	if parts := e.recorded(m); parts != nil {
		return parts
	}
	var parts []part
	if text := modelcall.Content(m); !blank(text) {
		parts = append(parts, textPart(text))
	}
	for i := range calls {
		parts = append(parts, part{callField: functionCall(&calls[i]), signatureField: unsigned})
	}
	return parts
}

func blank(s string) bool { return strings.TrimSpace(s) == "" }
