package iiifunction

import (
	"strings"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/wire"
)

// speakers are the names of roles in a transcript.
var speakers = map[conversation.Role]string{
	conversation.RoleSystem:    "Note",
	conversation.RoleUser:      "User",
	conversation.RoleAssistant: "Agent",
	conversation.RoleTool:      "Tool",
}

// selected are the messages to send.
func selected(req executors.Request, send wire.Send) []conversation.Message {
	all := req.Messages
	if send == wire.SendNew {
		return all[len(all)-min(max(req.New, 0), len(all)):]
	}
	return all
}

// joined renders messages as one text, for functions that accept no more. Everything up
// to the last message that is not the user's becomes a transcript.
func joined(messages []conversation.Message) string {
	last := 0
	for i, m := range messages {
		if m.Role != conversation.RoleUser {
			last = i + 1
		}
	}
	var transcript, texts []string
	for _, m := range messages[:last] {
		if text := content(m); text != "" {
			transcript = append(transcript, speakers[m.Role]+": "+text)
		}
	}
	if len(transcript) > 0 {
		texts = append(texts, "The conversation so far:\n\n"+strings.Join(transcript, "\n\n"))
	}
	for _, m := range messages[last:] {
		if text := content(m); text != "" {
			texts = append(texts, text)
		}
	}
	return strings.Join(texts, "\n\n")
}

// content is the message's text, with the results of tools.
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

// unscanned is the text that the guard must scan: the new messages of the user and of
// tools.
func unscanned(req executors.Request) string {
	var texts []string
	for _, m := range selected(req, wire.SendNew) {
		if text := content(m); text != "" && m.Role != conversation.RoleAssistant && m.Role != conversation.RoleSystem {
			texts = append(texts, text)
		}
	}
	return strings.Join(texts, "\n\n")
}
