package export

import "github.com/parley-run/parley/conversation"

// message is one of OpenAI's chat messages.
type message struct {
	Role       string     `json:"role"`
	Content    *string    `json:"content"` // null beside tool calls without a text
	ToolCalls  []toolCall `json:"tool_calls,omitempty"`
	ToolCallID string     `json:"tool_call_id,omitempty"`
}

type toolCall struct {
	ID       string   `json:"id"`
	Type     string   `json:"type"`
	Function function `json:"function"`
}

type function struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"` // JSON in a string
}

func (w *Writer) openAI(entries []entry) []message {
	var out []message
	if w.System != "" && entries[0].role != conversation.RoleSystem {
		out = append(out, text("system", w.Redact.Text(w.System)))
	}
	for _, e := range entries {
		switch {
		case len(e.results) > 0:
			for _, r := range e.results {
				m := text("tool", r.content)
				m.ToolCallID = r.call
				out = append(out, m)
			}
		case len(e.calls) > 0:
			m := message{Role: "assistant"}
			if e.text != "" {
				m.Content = &e.text
			}
			for _, c := range e.calls {
				m.ToolCalls = append(m.ToolCalls, toolCall{c.id, "function", function{c.name, string(c.object())}})
			}
			out = append(out, m)
		default:
			out = append(out, text(string(e.role), e.text))
		}
	}
	return out
}

func text(role, content string) message { return message{Role: role, Content: &content} }
