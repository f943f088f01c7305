package iiifunction

import (
	"encoding/json"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/translate"
	"github.com/parley-run/parley/executors/wire"
)

// llm is the dialect of AgentOS's llm::complete, a stateless model, used without tools.
type llm struct{ cfg Config }

type completeRequest struct {
	Provider     string       `json:"provider,omitempty"`
	Model        any          `json:"model,omitempty"`
	SystemPrompt string       `json:"systemPrompt,omitempty"`
	Messages     []llmMessage `json:"messages"`
	MaxTokens    int          `json:"max_tokens,omitempty"`
}

type llmModel struct {
	Provider  string `json:"provider"`
	Model     string `json:"model"`
	MaxTokens int    `json:"maxTokens"`
}

type llmMessage struct {
	Role    conversation.Role `json:"role"`
	Content string            `json:"content"`
}

func (l llm) request(req executors.Request) (json.RawMessage, string, error) {
	out := completeRequest{Messages: l.messages(req.Messages)}
	if l.cfg.Shape == ShapeTypeScript {
		out.Model = llmModel{l.cfg.Provider, l.cfg.Model, l.cfg.MaxTokens}
		out.SystemPrompt = l.cfg.System
	} else {
		out.Provider, out.MaxTokens = l.cfg.Provider, l.cfg.MaxTokens
		if l.cfg.Model != "" {
			out.Model = l.cfg.Model
		}
		out.Messages = l.instructed(out.Messages)
	}
	data, err := json.Marshal(out)
	return data, unscanned(req), err
}

// instructed adds the system prompt to the messages, because the Rust worker has no other
// field for it. That worker passes messages on unchanged, and Anthropic's API accepts no
// system message.
func (l llm) instructed(messages []llmMessage) []llmMessage {
	switch {
	case l.cfg.System == "":
		return messages
	case l.cfg.Provider == DefaultLLM:
		messages[0].Content = l.cfg.System + "\n\n" + messages[0].Content
		return messages
	}
	return append([]llmMessage{{conversation.RoleSystem, l.cfg.System}}, messages...)
}

// messages alternates the two sides, the user first, as some providers require.
func (l llm) messages(conv []conversation.Message) []llmMessage {
	var out []llmMessage
	for _, m := range conv {
		text, role := content(m), conversation.RoleUser
		if text == "" {
			continue
		}
		switch m.Role {
		case conversation.RoleAssistant:
			role = conversation.RoleAssistant
		case conversation.RoleUser:
		default:
			text = speakers[m.Role] + ": " + text
		}
		if n := len(out); n > 0 && out[n-1].Role == role {
			out[n-1].Content += "\n\n" + text
			continue
		}
		out = append(out, llmMessage{role, text})
	}
	opening := llmMessage{conversation.RoleUser, l.cfg.Opening}
	switch {
	case len(out) == 0 || out[0].Role == conversation.RoleAssistant:
		out = append([]llmMessage{opening}, out...)
	case len(out) == 1 && onlySystem(conv):
		out[0].Content += "\n\n" + l.cfg.Opening
	}
	return out
}

func (llm) answer(result json.RawMessage) (wire.Frame, error) {
	doc, err := translate.ParseJSON(result)
	if err != nil {
		return wire.Frame{}, err
	}
	return completion(doc)
}
