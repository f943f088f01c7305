package workflows

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/parley-run/parley/conversation"
)

// A State says what a conversation is doing. It is also the search attribute
// ParleyStatus.
type State string

// The states.
const (
	StateClaiming       State = "claiming"
	StateTalking        State = "talking"
	StateListening      State = "listening" // a direct one that waits for a message
	StatePaused         State = "paused"
	StateNeedsApproval  State = "needs_approval"
	StateNeedsAttention State = "needs_attention"
	StateEnding         State = "ending"
	StateClosed         State = "closed"
)

// Status is the answer to QueryStatus and to every update.
type Status struct {
	Ref   conversation.Ref `json:"ref"`
	State State            `json:"state"`
	// Step is what is being done now, for operators: "turn 3 · reply".
	Step     string               `json:"step,omitempty"`
	Turn     int                  `json:"turn"`
	Messages int                  `json:"messages"`
	Persona  conversation.Persona `json:"persona,omitzero"`
	Executor string               `json:"executor,omitempty"`
	Model    string               `json:"model,omitempty"`
	Usage    conversation.Usage   `json:"usage,omitzero"`
	Started  time.Time            `json:"started,omitzero"`
	// Approvals are the tool calls that wait for an operator's approval.
	Approvals []Approval `json:"approvals,omitempty"`
	// Retrying are the steps whose last attempt has failed and that are retried.
	Retrying []Retrying `json:"retrying,omitempty"`
	// Attention is set while the conversation is parked.
	Attention *Attention `json:"attention,omitempty"`
	// Queued is how many messages of a direct conversation wait for their turn.
	Queued int `json:"queued,omitempty"`
	// Task is how the run of a task stands.
	Task *conversation.TaskResult `json:"task,omitempty"`
	// Outcome is set once it has ended.
	Outcome *conversation.Outcome `json:"outcome,omitempty"`
}

// An Approval is a tool call that waits for an operator.
type Approval struct {
	CallID string `json:"call_id"`
	// Tool is the model's name for the tool; Set and Name are where it is found.
	Tool      string          `json:"tool"`
	Set       string          `json:"set,omitempty"`
	Name      string          `json:"name,omitempty"`
	Arguments json.RawMessage `json:"arguments,omitempty"`
	// Digest names the tool and the arguments: a decision carries it, so that it is one on
	// what was seen.
	Digest string `json:"digest,omitempty"`
	// Lost says why the outcome of the call is unknown: it may have been made. The question
	// is then whether it is made again. Empty: it was not made.
	Lost  string    `json:"lost,omitempty"`
	Since time.Time `json:"since"`
	// Until is when it counts as not approved in time.
	Until time.Time `json:"until"`
}

// Attention says why something waits for an operator.
type Attention struct {
	Since time.Time `json:"since"`
	// Step is what failed: "turn 3 · reply".
	Step   string            `json:"step,omitempty"`
	Kind   conversation.Kind `json:"kind,omitempty"`
	Reason string            `json:"reason"`
	// Remedy is what removes the cause. Empty: nothing is known.
	Remedy string `json:"remedy,omitempty"`
	// NextCheck is when the conversation next does something by itself: it reads its
	// platform's transcript (kind Ambiguous), or continues after the wait that the other side
	// has asked for. Zero: it waits for an operator.
	NextCheck time.Time `json:"next_check,omitzero"`
	// NewReply means that the platform has refused the agent's reply, and another can be asked
	// for.
	NewReply bool `json:"new_reply,omitempty"`
	// Source is what failed, where that is known.
	Source *OutageSource `json:"source,omitempty"`
}

// ContinuesByItself reports that the conversation continues by itself at NextCheck.
func (a Attention) ContinuesByItself() bool {
	return !a.NextCheck.IsZero() && a.Kind != conversation.Ambiguous
}

// Choices are what an operator can do about a conversation with this attention, besides
// its Remedy: half a sentence.
func (a Attention) Choices() string {
	switch {
	case a.Kind == conversation.Ambiguous:
		return "resume to send the message again, or end the conversation"
	case a.Kind == conversation.Diverged:
		return "resume to go on from what the platform holds, or end the conversation"
	case a.NewReply:
		return "resume to send the message again, resume with a new reply (--new-reply) or end the conversation"
	case a.Step == stepBudget:
		return "resume to allow as much again, take over or end the conversation"
	case a.Step == stepClaim || a.Step == stepContext || a.Step == stepOpening || strings.HasSuffix(a.Step, stepExchange):
		// There is nothing to answer yet, or a message that may have been sent already.
		return "resume or end the conversation"
	}
	return "resume, take over or end the conversation"
}

// TranscriptQuery is the argument of QueryTranscript. The zero value asks for
// what there is, from the oldest message on, up to about a megabyte.
type TranscriptQuery struct {
	// From is the index of the first message wanted, counted over the whole
	// conversation from 0.
	From int `json:"from,omitempty"`
	// State asks for what providers returned beside messages with tool calls, of which the
	// answer otherwise has only the size.
	State bool `json:"provider_state,omitempty"`
}

// Transcript is the answer to QueryTranscript.
type Transcript struct {
	// First is the index of Messages[0]. It is greater than asked for where this
	// run no longer has the older messages: earlier runs, or the platform, do.
	First    int                    `json:"first"`
	Messages []conversation.Message `json:"messages"`
	// Total counts the conversation's messages. More are to be had with From =
	// First + len(Messages) while that is below Total.
	Total int `json:"total"`
}

// SendRequest sends a message in a direct conversation.
type SendRequest struct {
	// ID names the message, in at most 200 bytes. Sending it again, with whatever text,
	// adds no message: it gives the reply of the first time.
	ID   string `json:"id"`
	Text string `json:"text,omitempty"`
	// Data is structured data, beside the text or instead of it.
	Data json.RawMessage `json:"data,omitempty"`
}

// SendReply is the agent's reply to a SendRequest.
type SendReply struct {
	ID string `json:"id"`
	// MessageIndex is the index of the client's message in the conversation, and Index that
	// of the reply.
	MessageIndex int                  `json:"message_index"`
	Index        int                  `json:"index"`
	Turn         int                  `json:"turn"`
	Message      conversation.Message `json:"message"`
	// Ended means that the conversation is over with this reply.
	Ended bool `json:"ended,omitempty"`
}

// Records are what a client's message and its reply add to a transcript that is read from
// the history. The executor's part may be there already, and all of it where the message
// was sent before.
func (r SendReply) Records(t conversation.Transcript, req SendRequest) []conversation.Record {
	if r.Turn < t.Turns || r.Turn == t.Turns && r.recorded(t) {
		return nil
	}
	var records []conversation.Record
	if !t.Has(r.MessageIndex) { // an operator answered before the executor was asked
		records = append(records, conversation.Record{
			Index: r.MessageIndex, Messages: []conversation.Message{req.Message(time.Time{})}, Turns: r.Turn - 1, Insert: true,
		})
	}
	record := conversation.Record{Index: r.Index, Turns: r.Turn}
	if len(r.Message.Parts) > 0 {
		record.Messages = []conversation.Message{r.Message}
	}
	return append(records, record)
}

// recorded reports that the transcript has the reply.
func (r SendReply) recorded(t conversation.Transcript) bool {
	if len(r.Message.Parts) == 0 {
		return true
	}
	return t.Has(r.Index) && t.From(r.Index)[0].Message.PlainText() == r.Message.PlainText()
}

// EndRequest ends a conversation on its platform, now.
type EndRequest struct {
	Reason string `json:"reason,omitempty"`
	// By is the operator. Empty: not known.
	By string `json:"by,omitempty"`
}

// detail is the sentence of the outcome.
func (r EndRequest) detail() string {
	if r.By == "" {
		return r.Reason
	}
	return join(byOperator("ended", r.By), r.Reason)
}

// PauseRequest stops a conversation before its next step.
type PauseRequest struct {
	Reason string `json:"reason,omitempty"`
	// By is the operator. Empty: not known.
	By string `json:"by,omitempty"`
}

// ResumeRequest goes on with a paused or parked conversation: what failed is retried.
type ResumeRequest struct {
	// Executor, if not empty, replies from now on.
	Executor string `json:"executor,omitempty"`
	// NewReply drops the agent's reply that the platform does not take, and asks the executor
	// again. It is refused unless the platform certainly does not have the reply.
	NewReply bool `json:"new_reply,omitempty"`
	// By is the operator. Empty: not known.
	By string `json:"by,omitempty"`
}

// TakeoverRequest answers the next turn instead of the executor. A parked or
// paused conversation goes on with it.
type TakeoverRequest struct {
	Text string `json:"text"`
	// End ends the conversation after this message.
	End bool `json:"end,omitempty"`
	// By is the operator. Empty: not known.
	By string `json:"by,omitempty"`
}

// Record is what the operator's answer adds to the transcript of a task. Nothing else
// records it: exchanges and the replies to clients are for conversations. Results of calls
// that it has interrupted, which the history does not have, stand before it.
func (r TakeoverRequest) Record(t conversation.Transcript) conversation.Record {
	index := t.Next
	for _, m := range t.Messages {
		if calls := len(m.Message.ToolCalls()); calls > 0 {
			index = max(index, m.Index+1+calls)
		}
	}
	return conversation.Record{
		Index: index, Messages: []conversation.Message{conversation.Text(conversation.RoleAssistant, r.Text)}, Turns: t.Turns + 1,
	}
}

// ApproveRequest decides on a tool call that waits.
type ApproveRequest struct {
	// CallID names the call. Empty: the only one that waits.
	CallID string `json:"call_id,omitempty"`
	// Digest is that of the Approval that was seen. An approval needs it; a decision with
	// that of anything else is rejected.
	Digest string `json:"digest,omitempty"`
	// Deny refuses it, or leaves the outcome of a lost call unknown. The agent gets Reason.
	Deny   bool   `json:"deny,omitempty"`
	Reason string `json:"reason,omitempty"`
	// By is the operator who decides.
	By string `json:"by,omitempty"`
}
