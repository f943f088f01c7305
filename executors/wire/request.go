package wire

import (
	"encoding/json"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// A Request asks the agent for its next reply. It is [executors.Request] in
// JSON; the meaning of the fields is there.
type Request struct {
	// ID tells the requests of one program apart. Empty over HTTP.
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

// A Message is what one side said.
type Message struct {
	Role conversation.Role `json:"role"`
	// Text is the whole message as text, for agents that do not look at parts.
	Text  string              `json:"text"`
	Parts []conversation.Part `json:"parts"`
	Time  time.Time           `json:"time,omitzero"`
}

// Send says which messages a request carries.
type Send string

// What is sent.
const (
	SendAll Send = "all" // the conversation so far
	SendNew Send = "new" // only what the agent has not seen in an earlier turn
)

// NewRequest puts a request into the contract's words. Attach is not taken
// over: what it means is the executor's own.
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
		Messages:       make([]Message, 0, len(messages)), // not nil: [] and not null
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

// toolResults is what a message of nothing else says.
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
