package records

import (
	"time"

	"github.com/parley-run/parley/conversation"
)

// A Turn is one turn of a conversation with the steps that made it, as its history records
// them. Turn 0 holds what came before the first reply: claim and context.
type Turn struct {
	Number int `json:"turn"`
	// Began and Ended are those of its steps. Ended is zero while one of them is open.
	Began time.Time `json:"began,omitzero"`
	Ended time.Time `json:"ended,omitzero"`
	// Reply is the time in which the executor worked, Tools that of tool calls, Exchange that
	// in which the platform and its persona worked, each from the start of the last attempt
	// of a step to its end. Steps that run at the same time count once.
	Reply    Seconds `json:"reply_seconds"`
	Tools    Seconds `json:"tools_seconds,omitempty"`
	Exchange Seconds `json:"exchange_seconds"`
	// Waiting is the time for operators and capacity: parked, paused, waiting for approval.
	Waiting Seconds `json:"waiting_seconds,omitempty"`
	// Retrying is the time from the first start of steps to the start of their last attempt.
	Retrying Seconds `json:"retrying_seconds,omitempty"`
	// Overhead is what is left of the time from Began to Ended.
	Overhead Seconds `json:"overhead_seconds"`
	// Retries counts the attempts that failed and were followed by another.
	Retries int                `json:"retries,omitempty"`
	Usage   conversation.Usage `json:"usage,omitzero"`
	// Executor, Provider, Model and FinishReason are those of the turn's last reply.
	Executor     string `json:"executor,omitempty"`
	Provider     string `json:"provider,omitempty"`
	Model        string `json:"model,omitempty"`
	FinishReason string `json:"finish_reason,omitempty"`
	// Messages are the indexes of the messages that the turn added.
	Messages []int  `json:"messages,omitempty"`
	Steps    []Step `json:"steps"`
}

// Seconds is a duration that JSON shows in seconds.
type Seconds float64

// Duration converts it.
func (s Seconds) Duration() time.Duration { return time.Duration(float64(s) * float64(time.Second)) }

// A StepKind names what a step does.
type StepKind string

// The kinds of steps. Those without an activity are waits of the workflow.
const (
	StepClaim     StepKind = "claim"
	StepContext   StepKind = "context"
	StepReply     StepKind = "reply"
	StepTool      StepKind = "tool"
	StepExchange  StepKind = "exchange"
	StepEnd       StepKind = "end"
	StepReport    StepKind = "report"    // of a task's result
	StepApproval  StepKind = "approval"  // a tool call waits for an operator
	StepAttention StepKind = "attention" // parked
	StepPaused    StepKind = "paused"
	StepCapacity  StepKind = "capacity" // waits until the platform may have another conversation
	StepOther     StepKind = "other"
)

// A Step is one activity of a conversation, with all its attempts, or one wait.
type Step struct {
	Kind StepKind `json:"step"`
	// Scheduled is when the workflow asked for it, Started when its last attempt began, and
	// Ended when it was over. Zero: not yet.
	Scheduled time.Time `json:"scheduled,omitzero"`
	Started   time.Time `json:"started,omitzero"`
	Ended     time.Time `json:"ended,omitzero"`
	// Attempts counts the attempts, the running one included.
	Attempts int `json:"attempts,omitempty"`
	// Failure is the error of the last attempt that failed. Nil: none has.
	Failure *StepFailure `json:"failure,omitempty"`
	// Reply is set for replies, and Tool for tool calls and approvals.
	Reply *StepReplyInfo `json:"reply,omitempty"`
	Tool  *StepToolInfo  `json:"tool,omitempty"`
	// Detail is one sentence: why the conversation parked, by whom it was paused.
	Detail string `json:"detail,omitempty"`
}

// A StepFailure is why an attempt failed.
type StepFailure struct {
	Kind   conversation.Kind `json:"kind"`
	Reason string            `json:"reason"`
	Remedy string            `json:"remedy,omitempty"`
	// Final means that no further attempt followed.
	Final bool `json:"final,omitempty"`
}

// StepReplyInfo is the result of a reply. One that failed has only the Usage of its attempts.
type StepReplyInfo struct {
	Executor     string             `json:"executor,omitempty"`
	Provider     string             `json:"provider,omitempty"`
	Model        string             `json:"model,omitempty"`
	FinishReason string             `json:"finish_reason,omitempty"`
	Usage        conversation.Usage `json:"usage,omitzero"`
}

// StepToolInfo names a tool call. Its arguments and result are in the messages.
type StepToolInfo struct {
	CallID string `json:"call_id"`
	Tool   string `json:"tool"`
	Set    string `json:"set,omitempty"`
	Failed bool   `json:"failed,omitempty"` // the tool answered with an error
	// Decision is how an approval ended: "approved", "refused", "timed_out". Empty: it waits, or
	// none was needed.
	Decision string `json:"decision,omitempty"`
}
