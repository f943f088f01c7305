package iiifunction

import (
	"encoding/json"

	"github.com/tidwall/gjson"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/translate"
	"github.com/parley-run/parley/executors/wire"
)

// agentOS is the dialect of AgentOS's agent::chat, which keeps the session's messages:
// only new ones are sent.
type agentOS struct{ cfg Config }

type chatRequest struct {
	AgentID      string `json:"agentId"`
	Message      string `json:"message"`
	SessionID    string `json:"sessionId"`
	SystemPrompt string `json:"systemPrompt,omitempty"`
}

func (a agentOS) request(req executors.Request) (json.RawMessage, string, error) {
	messages := selected(req, a.cfg.Send)
	text := joined(messages)
	if text == "" || onlySystem(messages) {
		if text != "" {
			text += "\n\n"
		}
		text += a.cfg.Opening
	}
	data, err := json.Marshal(chatRequest{
		AgentID: a.cfg.AgentID, Message: text, SystemPrompt: a.cfg.System,
		SessionID: a.cfg.Session + ":" + req.Conversation.String(),
	})
	return data, unscanned(req), err
}

// onlySystem reports whether all messages are the system's.
func onlySystem(messages []conversation.Message) bool {
	for _, m := range messages {
		if m.Role != conversation.RoleSystem {
			return false
		}
	}
	return true
}

func (agentOS) answer(result json.RawMessage) (wire.Frame, error) {
	doc, err := translate.ParseJSON(result)
	if err != nil {
		return wire.Frame{}, err
	}
	frame, err := completion(doc)
	if err != nil {
		return frame, err
	}
	// This is an answer of AgentOS in TypeScript in place of the agent's, without a call
	// of the model.
	if rounds := doc.Get("iterations"); rounds.Type == gjson.Number && rounds.Num == 0 &&
		frame.Model == "" && frame.Usage == nil && !doc.Get("durationMs").Exists() {
		refused := parseRefusal(frame.Message.Text)
		if refused == nil {
			refused = &refusal{kind: conversation.Refused}
		}
		refused.text = frame.Message.Text
		return frame, refused
	}
	if frame.Usage == nil {
		frame.Usage = &wire.Usage{}
	}
	// One call of the model for each round of tools, and one for the answer.
	calls := 1 + translate.Count(doc.Get("iterations"))
	frame.Usage.Calls = &calls
	return frame, nil
}

// completion decodes the fields that agent::chat and llm::complete share.
func completion(doc gjson.Result) (wire.Frame, error) {
	text := doc.Get("content")
	switch {
	case !doc.IsObject(), !text.Exists():
		return wire.Frame{}, pathError("content", "nothing")
	case text.Type != gjson.String && text.Type != gjson.Null:
		return wire.Frame{}, pathError("content", "no text")
	}
	frame := wire.Frame{Message: &wire.Reply{Text: text.Str}, Model: doc.Get("model").Str}
	if model := doc.Get("model"); model.IsObject() {
		frame.Model = model.Get("model").Str
	}
	if u := doc.Get("usage"); u.IsObject() {
		// Tokens read from or written to a cache are not part of the input count.
		cached := translate.Count(u.Get("cacheRead"))
		frame.Usage = &wire.Usage{
			InputTokens:  translate.Count(u.Get("input")) + cached + translate.Count(u.Get("cacheWrite")),
			OutputTokens: translate.Count(u.Get("output")), CachedInputTokens: cached,
		}
	}
	return frame, nil
}
