// Package executors is the seam to the source of the agent's replies: a model,
// a program, a service. Each backend is a package below this one; package
// executortest holds the suite that every backend passes.
package executors

import (
	"context"
	"encoding/json"

	"github.com/parley-run/parley/conversation"
)

// An Executor produces the agent's side of one turn. Execute is safe for
// concurrent use and returns promptly once ctx is done. It must not retry: the
// caller does, with the same Request but for Attempt and Attach. Failures are
// [conversation.Error] values with the kind that fits; an error without a kind
// counts as [conversation.Unavailable] and is retried. Once ctx is done, the error
// wraps ctx's own; an executor's own timers are no cancellation.
type Executor interface {
	Execute(ctx context.Context, req Request) (Result, error)
}

// Request is what an executor gets for one turn.
type Request struct {
	Conversation conversation.Ref
	// Turn counts the agent's replies, from 1.
	Turn int
	// Attempt counts the attempts at this turn, from 1.
	Attempt int
	// IdempotencyKey is the same for all attempts of this request and different for
	// any other. It is made from the workflow's id and run, the turn and the round,
	// not from text.
	IdempotencyKey string
	// Messages is the conversation so far, oldest first, without the agent's own
	// instructions (those are the executor's). Empty: the agent opens. They
	// must not be changed.
	Messages []conversation.Message
	// Tools are what the model may call. A reply that calls some (FinishToolCall)
	// is not sent: the next request has the calls and their results
	// among Messages, as New, under the same Turn.
	Tools []conversation.Tool
	// Task is set if the conversation is a task. Messages then has the task's message; Task
	// names the agent, for executors that run agents by name. It must not be changed.
	Task *conversation.Task
	// Round counts the requests of this turn that follow tool calls, from 0.
	Round int
	// New is how many of Messages, at the end, the executor has not seen in an
	// earlier turn. Executors that keep state on their own side send only these.
	New int
	// OmittedText, if not empty, tells the model that earlier messages were left out, where
	// an executor leaves some out. In Messages it stands already, if it applies to them.
	OmittedText string
	// State is what the executor returned with its last reply in this
	// conversation. Nil in the first turn, and after a reply of another
	// executor: New is then len(Messages).
	State json.RawMessage
	// Attach is the token that an earlier attempt handed to OnAttach. Nil if none
	// did: there is nothing to attach to.
	Attach json.RawMessage
	// OnAttach, if not nil, records a token by which a later attempt finds the
	// run that is about to start or has started at the provider. Call it once, as
	// soon as the token is known. An executor made of others takes an earlier token
	// back with nil.
	OnAttach func(token json.RawMessage)
	// OnDelta, if not nil, is called with the text of a streaming reply as it comes. Together
	// the pieces are the reply, unless a server begins its answer again in the middle: the
	// pieces before that stay void. The reply is the result's message.
	OnDelta func(text string)
}

// Result is the agent's reply.
type Result struct {
	Message conversation.Message
	// State is handed back with the next request of the conversation. Valid JSON
	// of at most 4 KiB: a session id, a previous response id. Nil: none.
	State json.RawMessage
	Usage conversation.Usage
	// Provider and Model are those that answered, in OpenTelemetry's terms ("openai").
	Provider string
	Model    string
	// FinishReason says why the model stopped.
	FinishReason FinishReason
	// End means that the agent wishes to end the conversation after this
	// message. With an empty message it ends without another word.
	End bool
}

// A FinishReason says why a model stopped, in OpenTelemetry's words.
type FinishReason string

// The finish reasons.
const (
	FinishStop          FinishReason = "stop"
	FinishLength        FinishReason = "length"
	FinishContentFilter FinishReason = "content_filter"
	FinishToolCall      FinishReason = "tool_call"
	FinishError         FinishReason = "error"
)
