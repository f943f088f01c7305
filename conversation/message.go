package conversation

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// A Role names the side that a message comes from.
type Role string

// The roles, named as the model vendors name them.
const (
	RoleSystem    Role = "system"
	RoleUser      Role = "user"      // the persona, the task or the client
	RoleAssistant Role = "assistant" // the agent
	RoleTool      Role = "tool"
)

// A PartType says which field of a [Part] is set.
type PartType string

// The kinds of message parts.
const (
	PartText       PartType = "text"
	PartData       PartType = "data"
	PartToolCall   PartType = "tool_call"
	PartToolResult PartType = "tool_result"
)

// A Part is one piece of a message.
type Part struct {
	Type       PartType        `json:"type"`
	Text       string          `json:"text,omitempty"`
	Data       json.RawMessage `json:"data,omitempty"`
	ToolCall   *ToolCall       `json:"tool_call,omitempty"`
	ToolResult *ToolResult     `json:"tool_result,omitempty"`
}

// A ToolCall is the agent's request to run a tool.
type ToolCall struct {
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments,omitempty"`
}

// A ToolResult is the result of a tool call.
type ToolResult struct {
	CallID  string `json:"call_id"`
	Content string `json:"content"`
	IsError bool   `json:"is_error,omitempty"`
	// Decision says why a call that needs approval was not made: "refused" by an
	// operator, or "timed_out" without a decision. Empty: the call was made, or may have
	// been.
	Decision string `json:"decision,omitempty"`
	// Decisions are those of operators on the call, the oldest first.
	Decisions []Decision `json:"decisions,omitempty"`
}

// A Message is one contribution of one side.
type Message struct {
	Role  Role      `json:"role"`
	Parts []Part    `json:"parts"`
	Time  time.Time `json:"time,omitzero"`
	// State is what the provider needs back, unchanged, as long as the turn of this
	// message goes on. Nil: nothing.
	State *ProviderState `json:"provider_state,omitempty"`
	// CutOff means that the model stopped at its limit of length: the text is not complete.
	CutOff bool `json:"cut_off,omitempty"`
	// Cleaned counts the characters that were taken out because platforms cannot store
	// them: see [Message.Clean].
	Cleaned int `json:"cleaned,omitempty"`
}

// Outgoing is the message as the other side gets it: without what is only for the
// transcript or the executor.
func (m Message) Outgoing() Message { return Message{Role: m.Role, Parts: m.Parts, Time: m.Time} }

// WithoutState returns messages without what providers returned beside them. The given
// messages are not changed.
func WithoutState(messages []Message) []Message {
	return mapState(messages, func(*ProviderState) *ProviderState { return nil })
}

// WithSizeOfState returns messages with the size alone of what providers returned beside
// them. The given messages are not changed.
func WithSizeOfState(messages []Message) []Message {
	return mapState(messages, func(s *ProviderState) *ProviderState {
		return &ProviderState{Model: s.Model, Bytes: s.Size()}
	})
}

func mapState(messages []Message, to func(*ProviderState) *ProviderState) []Message {
	cloned := false
	for i, m := range messages {
		if m.State == nil {
			continue
		}
		if !cloned {
			messages, cloned = slices.Clone(messages), true
		}
		messages[i].State = to(m.State)
	}
	return messages
}

// ProviderState is what a provider returned beside a message with tool calls and
// requires with their results, such as signed thoughts. It is no part of what is said:
// only the executor that returned it reads it.
type ProviderState struct {
	// Model is the model that returned it. Others reject it.
	Model string `json:"model,omitempty"`
	// Data is in the executor's own form, at most [MaxProviderState] bytes.
	Data json.RawMessage `json:"data"`
	// Bytes is the size of Data where that is left out.
	Bytes int `json:"bytes,omitempty"`
}

// Size is how many bytes there are, or were, in Data.
func (s *ProviderState) Size() int {
	if s == nil {
		return 0
	}
	return max(len(s.Data), s.Bytes)
}

// MaxProviderState bounds [ProviderState.Data]: it is recorded twice, and sent with each
// request of its turn.
const MaxProviderState = 128 << 10

// Text returns a message of one text part.
func Text(role Role, text string) Message {
	return Message{Role: role, Parts: []Part{{Type: PartText, Text: text}}}
}

// Text joins the message's text parts with blank lines. Other parts are left
// out.
func (m Message) Text() string {
	var texts []string
	for _, p := range m.Parts {
		if p.Type == PartText {
			texts = append(texts, p.Text)
		}
	}
	return strings.Join(texts, "\n\n")
}

// PlainText is the message for a peer that accepts only text: its text parts, and its
// structured data as JSON on one line.
func (m Message) PlainText() string {
	var said []string
	for _, p := range m.Parts {
		switch {
		case p.Type == PartText:
			said = append(said, p.Text)
		case p.Type == PartData && len(p.Data) > 0:
			said = append(said, compact(p.Data))
		}
	}
	return strings.Join(said, "\n\n")
}

func compact(data json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, data) != nil {
		return string(data)
	}
	return b.String()
}

// Size is an estimate of the message's bytes.
func (m Message) Size() int {
	return m.sum(func(s string) int { return len(s) }, func(data []byte) int { return len(data) })
}

// RecordedSize is an estimate of the message's bytes as JSON, the form in histories.
// Escaping makes markup several times larger than its Size.
func (m Message) RecordedSize() int {
	return m.sum(EscapedSize, func(data []byte) int { return escapedSize(data, false) })
}

func (m Message) sum(text func(string) int, data func([]byte) int) int {
	n := 64
	if m.State != nil {
		n += text(m.State.Model) + data(m.State.Data)
	}
	for _, p := range m.Parts {
		n += 32 + text(p.Text) + data(p.Data)
		if p.ToolCall != nil {
			n += data(p.ToolCall.Arguments) + text(p.ToolCall.Name) + text(p.ToolCall.ID)
		}
		if p.ToolResult != nil {
			n += text(p.ToolResult.Content) + text(p.ToolResult.CallID)
			for _, d := range p.ToolResult.Decisions {
				n += 96 + text(d.By) + text(d.Reason) + text(d.Digest)
			}
		}
	}
	return n
}

// EscapedSize is the number of bytes of a text in JSON as encoding/json writes it,
// without its quotation marks.
func EscapedSize(s string) int { return escapedSize(s, true) }

// escapedSize counts a text, or with text false a piece of JSON, in which only HTML's
// characters are escaped again.
func escapedSize[T string | []byte](s T, text bool) int {
	n := len(s)
	for i := range len(s) {
		switch b := s[i]; {
		case b == '<', b == '>', b == '&':
			n += len(`\u003c`) - 1
		case b == 0xe2 && i+2 < len(s) && s[i+1] == 0x80 && s[i+2]&^1 == 0xa8: // U+2028, U+2029
			n += len(`\u2028`) - 3
		case !text:
		case b == '"', b == '\\', b == '\n', b == '\r', b == '\t', b == '\b', b == '\f':
			n++
		case b < ' ':
			n += len(`\u0000`) - 1
		}
	}
	return n
}

// Newest returns the longest tail of messages whose RecordedSize is at most budget. It
// always keeps the last message.
func Newest(messages []Message, budget int) []Message {
	total := 0
	for i := len(messages) - 1; i >= 0; i-- {
		total += messages[i].RecordedSize()
		if total > budget && i < len(messages)-1 {
			return messages[i+1:]
		}
	}
	return messages
}
