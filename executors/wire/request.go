package wire

import (
	"encoding/json"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// A Request asks the agent for its next reply. It is [executors.Request] in JSON,
// which documents the fields.
type Request struct {
	// ID identifies a request to one program. Empty over HTTP.
	ID             string           `json:"id,omitempty"`
	Conversation   conversation.Ref `json:"conversation"`
	Turn           int              `json:"turn"`
	Attempt        int              `json:"attempt"`
	IdempotencyKey string           `json:"idempotency_key"`
	Messages       []Message        `json:"messages"`
	New            int              `json:"new"`
	State          json.RawMessage  `json:"state,omitempty"`
	Attach         json.RawMessage  `json:"attach,omitempty"`
}

// A Message is a message of one side.
type Message struct {
	Role conversation.Role `json:"role"`
	// Text is the whole message as text, for agents that do not read parts.
	Text  string              `json:"text"`
	Parts []conversation.Part `json:"parts"`
	Time  time.Time           `json:"time,omitzero"`
}

// Send selects the messages of a request.
type Send string

// Values of Send.
const (
	SendAll Send = "all" // the conversation so far
	SendNew Send = "new" // only the messages that the agent has not received in an earlier turn
)

// NewRequest returns the contract's form of a request, without Attach: each
// executor sets its own.
func NewRequest(req executors.Request, send Send) Request {
	messages := req.Messages
	if send == SendNew {
		messages = messages[len(messages)-min(max(req.New, 0), len(messages)):]
	}
	out := Request{
		Conversation:   req.Conversation,
		Turn:           req.Turn,
		Attempt:        req.Attempt,
		IdempotencyKey: req.IdempotencyKey,
		Messages:       make([]Message, 0, len(messages)), // so that JSON has [] and not null
		New:            min(req.New, len(messages)),
		State:          req.State,
	}
	for _, m := range messages {
		out.Messages = append(out.Messages, newMessage(m))
	}
	return out
}

func newMessage(m conversation.Message) Message {
	out := Message{Role: m.Role, Text: modelcall.Content(m), Parts: m.Parts, Time: m.Time}
	if out.Text == "" {
		out.Text = toolResults(m)
	}
	if out.Parts == nil {
		out.Parts = []conversation.Part{}
	}
	return out
}

// toolResults returns the text of a message that has only tool results.
func toolResults(m conversation.Message) string {
	s := ""
	for _, p := range m.Parts {
		if p.ToolResult == nil {
			continue
		}
		if s != "" {
			s += "\n\n"
		}
		s += p.ToolResult.Content
	}
	return modelcall.Valid(s)
}
