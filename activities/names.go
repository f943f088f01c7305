package activities

import (
	"encoding/json"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/platforms"
)

// Activity names, as recorded in histories. Renaming one strands open runs.
const (
	ClaimName     = "conversation.Claim"
	ContextName   = "conversation.Context"
	ReplyName     = "conversation.Reply"
	ExchangeName  = "conversation.Exchange"
	EndName       = "conversation.End"
	CallToolName  = "conversation.CallTool"
	WatchName     = "conversation.Watch"
	DeliverName   = "conversation.Deliver"
	FindClaimName = "conversation.FindClaim"
	ReportName    = "conversation.Report"
	NotifyName    = "conversation.Notify"
	PollName      = "inbox.Poll"
)

// ClaimInput asks for a conversation to be claimed.
type ClaimInput struct {
	Ref conversation.Ref `json:"ref"`
	// Run is the run id that the workflow's state was built on: see [checkRun].
	Run string `json:"run,omitempty"`
	// Adopt takes over an orphan: a task that another worker claimed and left.
	Adopt bool `json:"adopt,omitempty"`
	// Tried is what a handed-over attempt had done.
	Tried *Mark `json:"tried,omitempty"`
	// Context asks for what the platform knows as well, once it is claimed. Nil: it is read
	// by an activity of its own.
	Context *ContextInput `json:"context,omitempty"`
}

// ClaimResult says whether we have it.
type ClaimResult struct {
	Claimed bool `json:"claimed"`
	// Eager is as in [ExchangeResult].
	Eager bool `json:"eager,omitempty"`
	// Context is what the platform knows. Nil: that was not asked for, or could not be read
	// at once.
	Context *ContextResult `json:"context,omitempty"`
	// Detail says why not, for operators.
	Detail string `json:"detail,omitempty"`
	// Receipt is what the claim of a task gave.
	Receipt    *platforms.Receipt `json:"receipt,omitempty"`
	HandedOver bool               `json:"handed_over,omitempty"`
	Tried      *Mark              `json:"tried,omitempty"`
	// Failed, with HandedOver, is how many attempts at this activity had failed. The
	// hand-over itself is none.
	Failed int `json:"failed,omitempty"`
}

// A Mark is recorded by heartbeat before a request that must not be repeated
// blindly goes out. All its times are Temporal's: see [clock].
type Mark struct {
	// Time is when the newest such request was about to go out.
	Time time.Time `json:"time"`
	// Answered means that the request is over: reading the transcript once is enough.
	Answered bool `json:"answered,omitempty"`
	// Cut is when the request was cut off: by its timeout, a broken connection or a
	// gateway's error. The other side may still be working on it. Zero: nothing was cut
	// off, or the worker died.
	Cut time.Time `json:"cut,omitzero"`
	// Sends counts the requests.
	Sends int `json:"sends,omitempty"`
	// Slowest is the longest that an answer has taken in this conversation.
	Slowest time.Duration `json:"slowest_ns,omitempty"`
	// Running is when the request was last known to be running, if that is later than
	// Time: by a heartbeat of the worker that made it.
	Running time.Time `json:"running,omitzero"`
	// Ticket is that of an attempt that may have made the request without a mark: see
	// [ExchangeInput]. Time is then when the activity was scheduled. Empty: the mark was recorded before
	// the request.
	Ticket string `json:"ticket,omitempty"`
}

// ContextInput asks what the platform knows about the conversation.
type ContextInput struct {
	Ref conversation.Ref `json:"ref"`
	// CarryBytes bounds Messages of the result.
	CarryBytes int `json:"carry_bytes,omitempty"`
	// MaxMessageBytes and OnOversize bound each text of the context and each message.
	// Zero: see [conversation.Policy].
	MaxMessageBytes int                     `json:"max_message_bytes,omitempty"`
	OnOversize      conversation.OnOversize `json:"on_oversize,omitempty"`
}

// ContextResult is what the platform knows.
type ContextResult struct {
	Context conversation.Context `json:"context"`
	// Index is the index of Messages[0] in the conversation.
	Index int `json:"index,omitempty"`
	// Messages are the newest that the platform holds already, and Count how many
	// it holds in all. A fresh conversation has none.
	Messages  []conversation.Message `json:"messages,omitempty"`
	Count     int                    `json:"count,omitempty"`
	State     platforms.State        `json:"state,omitempty"`
	EndedBy   conversation.EndedBy   `json:"ended_by,omitempty"`
	EndDetail string                 `json:"end_detail,omitempty"`
	// RunID is the run that has read this. The workflow's state is built on it from now
	// on: see [checkRun].
	RunID      string `json:"run_id,omitempty"`
	HandedOver bool   `json:"handed_over,omitempty"`
	// Park is as in [ExchangeResult].
	Park *Finding `json:"park,omitempty"`
	// Fault is why a task cannot be run. What it says and its messages are left out:
	// they are too large to be recorded.
	Fault string `json:"fault,omitempty"`
	// Failed, with HandedOver, is how many attempts at this activity had failed. The
	// hand-over itself is none.
	Failed int `json:"failed,omitempty"`
	// Turns is how many of all messages, not of Messages alone, are the agent's.
	Turns int `json:"turns,omitempty"`
	// Settle is how long after a send whose answer was lost the platform may still
	// commit it. Zero: it does so at once, or not at all.
	Settle time.Duration `json:"settle_ns,omitempty"`
}

// ReplyInput asks an executor for the agent's next message. It carries only
// what is new: history stays linear in the number of turns.
type ReplyInput struct {
	Ref      conversation.Ref `json:"ref"`
	Executor string           `json:"executor"`
	// Run is the run id that the workflow's state was built on: see [checkRun].
	Run string `json:"run,omitempty"`
	// Attempts is how often the reply is tried in all, over activities that hand it
	// over to each other. Zero: as often as each activity's retry policy says.
	Attempts int `json:"attempts,omitempty"`
	// Budgeted: the conversation has a budget. What its provider does not report is
	// estimated.
	Budgeted bool `json:"budgeted,omitempty"`
	// Turn counts the agent's replies, from 1.
	Turn int `json:"turn"`
	// Before is how many messages came before New, and Digest their Digest.
	Before int    `json:"before"`
	Digest string `json:"digest,omitempty"`
	// Internal is how many of the messages before New were between the agent and
	// its tools: the platform does not have them.
	Internal int `json:"internal,omitempty"`
	// Round counts the requests of this turn that followed tool calls.
	Round int `json:"round,omitempty"`
	// Tools names the sets of tools to offer. None, after the last round.
	Tools []string `json:"tools,omitempty"`
	// Window, if not zero, is how many messages the executor is given at most: an
	// earlier request was too long for it. Workflows of earlier versions set it.
	Window int `json:"window,omitempty"`
	// LimitBytes, if not zero, bounds the messages that the executor is given together: an
	// earlier request was too long for it.
	LimitBytes int `json:"limit_bytes,omitempty"`
	// Anew means that the executor's own record of the conversation is too long: State is
	// not passed.
	Anew bool `json:"anew,omitempty"`
	// OnLength says what happens to a reply that is cut off. Empty: conversation.SendCutOff.
	OnLength conversation.OnLength `json:"on_length,omitempty"`
	// Partial is the reply so far, which was cut off: the executor is to continue it. Part
	// counts the continuations. The result is the whole reply.
	Partial *conversation.Message `json:"partial,omitempty"`
	Part    int                   `json:"part,omitempty"`
	// OmittedText tells the model that earlier messages were left out. Empty: nothing does.
	OmittedText string                 `json:"omitted_text,omitempty"`
	New         []conversation.Message `json:"new,omitempty"`
	State       json.RawMessage        `json:"state,omitempty"`
	// OnlyCopy means that the workflow alone has the conversation's messages: no platform
	// can be asked for them.
	OnlyCopy bool `json:"only_copy,omitempty"`
	// Exchanged means that an exchange delivers the reply. Otherwise it is delivered once it
	// is recorded.
	Exchanged bool `json:"exchanged,omitempty"`
	// Task is what is to be done, if the conversation is a task.
	Task *conversation.Task `json:"task,omitempty"`
	// Resume is what a handed-over attempt had done.
	Resume *ReplyProgress `json:"resume,omitempty"`
	// Unverified is how many of the platform's newest messages are to be compared with its
	// transcript while the executor replies: see ExchangeInput.VerifyLater. Zero: none.
	Unverified int `json:"unverified,omitempty"`
	// Reconciled counts how often the conversation was reconciled with its other side in
	// Run. It is a part of the key.
	Reconciled int `json:"reconciled,omitempty"`
}

// ReplyProgress is what an unfinished attempt at a reply leaves behind, by
// heartbeat.
type ReplyProgress struct {
	// Executor is who was asked: Attach, Asked and Once are about it, and of no use
	// to another. Empty where an older worker did not say.
	Executor string `json:"executor,omitempty"`
	// Attach finds the run at the provider.
	Attach json.RawMessage `json:"attach,omitempty"`
	// Spent is what failed attempts cost.
	Spent conversation.Usage `json:"spent,omitzero"`
	// Failed counts the tries before this activity: those that waited for their turn
	// under a rate limit are none.
	Failed int `json:"failed,omitempty"`
	// Asked means that an executor was called, and the end of the call is not known.
	Asked bool `json:"asked,omitempty"`
	// Once means that what was asked must not happen twice.
	Once bool `json:"once,omitempty"`
	// Ended means that the attempt has ended in order: nothing else of it is unknown.
	Ended bool `json:"ended,omitempty"`
}

// ReplyResult is the agent's next message.
type ReplyResult struct {
	// Index is the index of Message in the conversation.
	Index        int                    `json:"index,omitempty"`
	Message      conversation.Message   `json:"message"`
	State        json.RawMessage        `json:"state,omitempty"`
	Usage        conversation.Usage     `json:"usage,omitzero"` // failed attempts included
	Executor     string                 `json:"executor,omitempty"`
	Provider     string                 `json:"provider,omitempty"`
	Model        string                 `json:"model,omitempty"`
	FinishReason executors.FinishReason `json:"finish_reason,omitempty"`
	End          bool                   `json:"end,omitempty"`
	// Lag is how slowly Temporal acknowledges this worker's heartbeats. Zero: fast.
	Lag time.Duration `json:"lag_ns,omitempty"`
	// Calls says, for each tool call in Message, how it is to be made.
	Calls []PlannedCall `json:"calls,omitempty"`
	// TookMS is the time of the call alone, in milliseconds, at least 1. Zero: it is not known,
	// or there were earlier attempts.
	TookMS int64 `json:"took_ms,omitempty"`
	// Sent, with a LimitBytes, is what has fitted.
	Sent       *SentMessages `json:"sent,omitempty"`
	HandedOver bool          `json:"handed_over,omitempty"`
	// Wait, with HandedOver, is how long its turn under a rate limit is away.
	Wait   time.Duration  `json:"wait,omitempty"`
	Resume *ReplyProgress `json:"resume,omitempty"`
	// Park is why the conversation has to park: the platform's transcript differs. What the
	// executor has replied is about another conversation and left out. Nil: nothing is wrong.
	Park *Finding `json:"park,omitempty"`
}

// A PlannedCall is a tool call, looked up.
type PlannedCall struct {
	// CallID and Tool are the model's; Set and Name are where the tool is found.
	CallID    string          `json:"call_id"`
	Tool      string          `json:"tool"`
	Set       string          `json:"set,omitempty"`
	Name      string          `json:"name,omitempty"`
	Arguments json.RawMessage `json:"arguments,omitempty"`
	// Ask means that an operator must approve.
	Ask     bool          `json:"ask,omitempty"`
	Timeout time.Duration `json:"timeout,omitempty"`
	// Repeatable means that a call whose result was lost may be made again.
	Repeatable bool `json:"repeatable,omitempty"`
	// Digest is that of the tool as it was offered: see [toolDigest].
	Digest string `json:"digest,omitempty"`
	// Fault says why the call cannot be made, for the model.
	Fault string `json:"fault,omitempty"`
}

// CallToolInput asks for one tool call to be made.
type CallToolInput struct {
	Ref conversation.Ref `json:"ref"`
	// Run is the run id that the workflow's state was built on: see [checkRun].
	Run string `json:"run,omitempty"`
	// Turn and Index, the place of the call among the calls of the turn, make its
	// key.
	Turn     int         `json:"turn"`
	Index    int         `json:"index"`
	Call     PlannedCall `json:"call"`
	MaxBytes int         `json:"max_bytes,omitempty"`
	// Reconciled counts how often the conversation was reconciled with its other side in
	// Run. It is a part of the key.
	Reconciled int `json:"reconciled,omitempty"`
	// MessageIndex is the index in the conversation that the result's message has.
	MessageIndex int `json:"message_index,omitempty"`
	// Tried is what a handed-over activity has left: a request that may have been made.
	Tried *Mark `json:"tried,omitempty"`
	// Decisions are those of operators on the call so far.
	Decisions []conversation.Decision `json:"decisions,omitempty"`
}

// CallToolResult is what the tool said.
type CallToolResult struct {
	// MessageIndex is the index in the conversation of the message with the result.
	MessageIndex int    `json:"message_index,omitempty"`
	Content      string `json:"content"`
	IsError      bool   `json:"is_error,omitempty"`
	HandedOver   bool   `json:"handed_over,omitempty"`
	// Tried, with HandedOver, is the Tried of the next activity's input.
	Tried *Mark `json:"tried,omitempty"`
	// Lag is as in [ReplyResult].
	Lag time.Duration `json:"lag_ns,omitempty"`
	// Failed, with HandedOver, is how many attempts at this activity had failed. The
	// hand-over itself is none.
	Failed int `json:"failed,omitempty"`
	// TookMS is the time of the call alone, in milliseconds, at least 1. Zero: it is not known,
	// or there were earlier attempts.
	TookMS int64 `json:"took_ms,omitempty"`
}

// ExchangeInput sends the agent's messages and asks for what comes back.
type ExchangeInput struct {
	Ref  conversation.Ref `json:"ref"`
	Turn int              `json:"turn"`
	// Before is how many messages the platform holds before this exchange.
	Before int `json:"before"`
	// Internal is how many messages there are besides, between the agent and its tools.
	Internal int                    `json:"internal,omitempty"`
	Messages []conversation.Message `json:"messages,omitempty"`
	// Run is the run id that the workflow's state was built on: see [checkRun].
	Run string `json:"run,omitempty"`
	// Spoken means that the platform has taken messages of the agent before.
	Spoken bool `json:"spoken,omitempty"`
	// Tried is what earlier activities have done: one that handed over, or one that has
	// failed.
	Tried *Mark `json:"tried,omitempty"`
	// Slowest is the longest that an answer has taken in this conversation so far.
	Slowest time.Duration `json:"slowest_ns,omitempty"`
	// Timeout bounds how long the transcript is read for an ambiguous message, from its
	// request on.
	// Zero: conversation.DefaultExchangeTimeout.
	Timeout time.Duration `json:"timeout_ns,omitempty"`
	// Attempts is how often the exchange is tried in all, over activities that hand it
	// over to each other. Zero: as often as each activity's retry policy says.
	Attempts int `json:"attempts,omitempty"`
	// OnAmbiguous says what happens when the transcript does not show in time what
	// became of an earlier request. Empty: conversation.ParkAmbiguous.
	OnAmbiguous conversation.OnAmbiguous `json:"on_ambiguous,omitempty"`
	// Resend allows one more request although an earlier one is ambiguous: an operator
	// wants it.
	Resend bool `json:"resend,omitempty"`
	// ReadOnly reads the transcript once and sends nothing. If it shows nothing new the
	// error is of kind Ambiguous.
	ReadOnly bool `json:"read_only,omitempty"`
	// Prove, with ReadOnly, asks for a result if the transcript has nothing new: every earlier
	// request is over.
	Prove bool `json:"prove,omitempty"`
	// MaxMessageBytes and OnOversize bound what comes back. Zero: see
	// [conversation.Policy].
	MaxMessageBytes int                     `json:"max_message_bytes,omitempty"`
	OnOversize      conversation.OnOversize `json:"on_oversize,omitempty"`
	// Unmarked allows a first attempt to send without a mark, so an attempt that finds nothing
	// recorded does not know that nothing was sent. The workflow allows it once Temporal has
	// given the conversation an eager task: where it does not, a mark is needed in any case.
	Unmarked bool `json:"unmarked,omitempty"`
	// VerifyLater leaves it to the next reply to compare what a success brought with the
	// platform's transcript: no turn waits for that.
	VerifyLater bool `json:"verify_later,omitempty"`
	// Reconciled counts how often the conversation was reconciled with its other side in
	// Run. It is a part of the key.
	Reconciled int `json:"reconciled,omitempty"`
}

// ExchangeResult is what came back.
type ExchangeResult struct {
	// Absent, for Prove, means that the transcript does not have our messages.
	Absent bool `json:"absent,omitempty"`
	// Index is the index in the conversation of the first of the messages that the platform
	// took, or else of Messages.
	Index    int                    `json:"index,omitempty"`
	Messages []conversation.Message `json:"messages,omitempty"`
	// Count is how many messages the platform holds now.
	Count int `json:"count"`
	// Taken is how many of our messages the platform took. Less than sent means
	// that the conversation had ended before.
	Taken      int                  `json:"taken"`
	Ended      bool                 `json:"ended,omitempty"`
	EndedBy    conversation.EndedBy `json:"ended_by,omitempty"`
	EndDetail  string               `json:"end_detail,omitempty"`
	HandedOver bool                 `json:"handed_over,omitempty"`
	Tried      *Mark                `json:"tried,omitempty"`
	// Park is why the conversation has to park although the result counts: it is to be
	// taken in first. Nil: nothing is wrong.
	Park *Finding `json:"park,omitempty"`
	// Unverified means that the messages taken and received have not been compared with the
	// transcript, for VerifyLater.
	Unverified bool `json:"unverified,omitempty"`
	// Eager means that the task came with the completion of a workflow task.
	Eager bool `json:"eager,omitempty"`
	// Slowest is the longest that an answer has taken in this conversation.
	Slowest time.Duration `json:"slowest_ns,omitempty"`
	// TookMS is the time of the request alone, in milliseconds, at least 1. Zero: it is not known,
	// or there were earlier attempts.
	TookMS int64 `json:"took_ms,omitempty"`
	// Lag is as in [ReplyResult].
	Lag time.Duration `json:"lag_ns,omitempty"`
	// Failed, with HandedOver, is how many attempts at this activity had failed. The
	// hand-over itself is none.
	Failed int `json:"failed,omitempty"`
}

// A Finding is something wrong with a result that counts all the same: a transcript
// that differs from what was sent and received (Diverged), a message that was too large
// and is kept cut (Invalid).
type Finding struct {
	Kind   conversation.Kind `json:"kind"`
	Reason string            `json:"reason"`
	Remedy string            `json:"remedy,omitempty"`
}

// EndInput closes the conversation on the platform.
type EndInput struct {
	Ref conversation.Ref `json:"ref"`
	// Run is the run id that the workflow's state was built on: see [checkRun].
	Run string `json:"run,omitempty"`
}

// EndResult says how the platform saw the end.
type EndResult struct {
	EndedBy    conversation.EndedBy `json:"ended_by,omitempty"`
	EndDetail  string               `json:"end_detail,omitempty"`
	Count      int                  `json:"count,omitempty"`
	HandedOver bool                 `json:"handed_over,omitempty"`
	// Failed, with HandedOver, is how many attempts at this activity had failed. The
	// hand-over itself is none.
	Failed int `json:"failed,omitempty"`
	// Turns is how many of Count are the agent's.
	Turns int `json:"turns,omitempty"`
}

// ErrorDetails goes with every ApplicationError, for the workflow to act on.
type ErrorDetails struct {
	Kind       conversation.Kind `json:"kind"`
	Remedy     string            `json:"remedy,omitempty"`
	RetryAfter time.Duration     `json:"retry_after,omitempty"`
	// Until is when the step may be tried again, of a wait that is too long for an attempt:
	// the conversation parks and continues by itself then. Zero: it waits for an operator.
	Until time.Time `json:"until,omitzero"`
	// Ambiguous means that what was asked for may have been done all the same.
	Ambiguous bool `json:"ambiguous,omitempty"`
	// Mark is what is known of the requests of an exchange, a tool call, a claim or an
	// acknowledgement: the Tried of the next activity's input.
	Mark  *Mark              `json:"mark,omitempty"`
	Spent conversation.Usage `json:"spent,omitzero"`
	// RunID, of an error of kind Reset, is the run that the activity belongs to.
	RunID string `json:"run_id,omitempty"`
	// Sent, of an error of kind ContextTooLong, is what did not fit.
	Sent *SentMessages `json:"sent,omitempty"`
}

// SentMessages are the messages of a request to an executor.
type SentMessages struct {
	Messages int `json:"messages"`
	// Bytes is what they have together, as [conversation.Message.Size] counts them.
	Bytes int `json:"bytes"`
	// Least means that nothing more can be left out.
	Least bool `json:"least,omitempty"`
	// Continued means that the executor continued its own record of the conversation, which
	// may be longer.
	Continued bool `json:"continued,omitempty"`
}

// An AttemptReport tells the workflow of an attempt that has failed and is followed
// by another: it is the argument of the signal "attempt".
type AttemptReport struct {
	// Step is "claim", "context", "reply", "exchange", "tool", "end", "callback",
	// "report", "find claim" or "notify".
	Step string `json:"step"`
	// Attempt counts from 1.
	Attempt int               `json:"attempt"`
	Kind    conversation.Kind `json:"kind,omitempty"`
	// Reason is what went wrong, at most a few hundred bytes.
	Reason string `json:"reason,omitempty"`
	Remedy string `json:"remedy,omitempty"`
	// At is when it failed, by Temporal's clock, and Next about when it is retried.
	// Next is zero if this attempt was the last.
	At   time.Time `json:"at,omitzero"`
	Next time.Time `json:"next,omitzero"`
	// ActivityID is the activity's id in its workflow, by which the workflow knows the
	// step. Of is how many attempts the activity has. Zero: no limit.
	ActivityID string `json:"activity_id,omitempty"`
	Of         int    `json:"of,omitempty"`
}
