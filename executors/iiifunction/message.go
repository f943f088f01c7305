package iiifunction

import (
	"strings"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/wire"
)

// speakers are the names in a transcript.
var speakers = map[conversation.Role]string{
	conversation.RoleSystem:    "Note",
	conversation.RoleUser:      "User",
	conversation.RoleAssistant: "Agent",
	conversation.RoleTool:      "Tool",
}

// picked are the messages to send.
func picked(req executors.Request, send wire.Send) []conversation.Message {
	all := req.Messages
	if send == wire.SendNew {
		return all[len(all)-min(max(req.New, 0), len(all)):]
	}
	return all
}

// asOne puts messages into one text, for functions that take no more. What
// anybody else than the other side has said, and what was before that, is told as
// a transcript.
func asOne(messages []conversation.Message) string {
	last := 0
	for i, m := range messages {
		if m.Role != conversation.RoleUser {
			last = i + 1
		}
	}
	var told, texts []string
	for _, m := range messages[:last] {
		if text := content(m); text != "" {
			told = append(told, speakers[m.Role]+": "+text)
		}
	}
	if len(told) > 0 {
		texts = append(texts, "The conversation so far:\n\n"+strings.Join(told, "\n\n"))
	}
	for _, m := range messages[last:] {
		if text := content(m); text != "" {
			texts = append(texts, text)
		}
	}
	return strings.Join(texts, "\n\n")
}

// content is the message's text, with results of tools, which have no other place
// here.
func content(m conversation.Message) string {
	texts := make([]string, 0, 1)
	if text := strings.TrimSpace(modelcall.Content(m)); text != "" {
		texts = append(texts, text)
	}
	for _, p := range m.Parts {
		if p.ToolResult != nil {
			texts = append(texts, modelcall.Valid(p.ToolResult.Content))
		}
	}
	return strings.Join(texts, "\n\n")
}

// heard is what the agent has not seen and somebody else has said: what a guard is
// to look at.
func heard(req executors.Request) string {
	var texts []string
	for _, m := range picked(req, wire.SendNew) {
		if text := content(m); text != "" && m.Role != conversation.RoleAssistant && m.Role != conversation.RoleSystem {
			texts = append(texts, text)
		}
	}
	return strings.Join(texts, "\n\n")
}
