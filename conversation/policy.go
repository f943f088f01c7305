package conversation

import "time"

// OnExhausted says what happens to a conversation when its retries end.
type OnExhausted string

// The values of OnExhausted and OnSpent.
const (
	// Park waits, with status "needs attention", until an operator resumes, takes over or
	// ends the conversation.
	Park OnExhausted = "park"
	// EndConversation ends it on the platform and records the failure.
	EndConversation OnExhausted = "end"
)

// OnAmbiguous says what happens to a message when it stays unknown whether the platform
// has it.
type OnAmbiguous string

// The values of OnAmbiguous.
const (
	// ParkAmbiguous parks the conversation and reconciles at growing intervals. The
	// conversation resumes by itself once the platform's transcript shows the message.
	ParkAmbiguous OnAmbiguous = "park"
	// ResendAmbiguous sends the message again after each wait, and each wait is longer.
	// The persona may receive it twice.
	ResendAmbiguous OnAmbiguous = "resend"
)

// OnOversize says what happens to a message of the persona that is longer than
// MaxMessageBytes.
type OnOversize string

// The values of OnOversize.
const (
	CutOversize  OnOversize = "cut"  // the message is cut and marked
	ParkOversize OnOversize = "park" // the conversation parks with the reason
)

// OnLength says what happens to a reply of the agent that is cut off at its model's limit of
// length.
type OnLength string

// The values of OnLength.
const (
	SendCutOff     OnLength = "send"     // it is sent as it is, and marked in the transcript
	ContinueCutOff OnLength = "continue" // the executor is asked to continue it
	RefuseCutOff   OnLength = "refuse"   // it counts as [Refused]
)

// A Policy holds the settings of one conversation, and names its executor. It is part of the workflow's input,
// so that a change of configuration affects new conversations only. Zero values mean the
// defaults of [Policy.WithDefaults].
type Policy struct {
	// Executor is the registry's name of who speaks for the agent. "auto" takes the
	// first that is available, chosen once per conversation. Empty: DefaultExecutor.
	Executor    string      `json:"executor,omitempty"`
	OnExhausted OnExhausted `json:"on_exhausted,omitempty"`
	// MaxTurns ends the conversation, as budget spent, after this many replies of
	// the agent. Zero: only the platform's own limit counts.
	MaxTurns int `json:"max_turns,omitempty"`
	// ReplyTimeout bounds one attempt to get the agent's reply.
	ReplyTimeout time.Duration `json:"reply_timeout,omitempty"`
	// ReplyAttempts is the number of attempts at a reply before OnExhausted applies.
	ReplyAttempts int `json:"reply_attempts,omitempty"`
	// ExchangeTimeout bounds one attempt to send a message and receive the answer,
	// including the reconciliation after an earlier attempt.
	ExchangeTimeout time.Duration `json:"exchange_timeout,omitempty"`
	// OnAmbiguous applies to messages when it stays unknown whether the platform has
	// them. Empty: ParkAmbiguous.
	OnAmbiguous OnAmbiguous `json:"on_ambiguous,omitempty"`
	// MaxMessageBytes bounds each message of the persona, and each text of the context
	// (persona, story, scenario), in bytes of JSON. Zero: DefaultMaxMessageBytes.
	MaxMessageBytes int `json:"max_message_bytes,omitempty"`
	// OnOversize applies to messages above MaxMessageBytes. Empty: CutOversize.
	OnOversize OnOversize `json:"on_oversize,omitempty"`
	// PlatformAttempts is the number of attempts at a call to the platform before
	// OnExhausted applies.
	PlatformAttempts int `json:"platform_attempts,omitempty"`
	// Tools names the tool sets that the agent may use.
	Tools []string `json:"tools,omitempty"`
	// ToolRounds is how often the agent may call tools in one turn before it must answer.
	// Zero: DefaultToolRounds.
	ToolRounds int `json:"tool_rounds,omitempty"`
	// ToolAttempts is the number of attempts at a tool call when the tool's server fails.
	// An error that the tool itself reports is final.
	ToolAttempts int `json:"tool_attempts,omitempty"`
	// ToolResultBytes bounds a tool's result; the rest is cut off. At most
	// MaxToolResultBytes.
	ToolResultBytes int `json:"tool_result_bytes,omitempty"`
	// ApprovalTimeout bounds the wait for an operator's approval of a tool call.
	ApprovalTimeout time.Duration `json:"approval_timeout,omitempty"`
	// Executors names the executors that a conversation's metadata may choose instead of
	// the agent's. Empty: none.
	Executors []string `json:"executors,omitempty"`
	// RefusalText is sent in place of a reply that the model refuses to give. Empty:
	// OnExhausted applies.
	RefusalText string `json:"refusal_text,omitempty"`
	// OnLength applies to replies that are cut off. Empty: SendCutOff.
	OnLength OnLength `json:"on_length,omitempty"`
	// OmittedText is added to the first message that the executor is given where earlier
	// messages are left out because they do not fit. Empty: nothing is added.
	OmittedText string `json:"omitted_text,omitempty"`
	// MaxTokens and MaxCost, in millionths of Currency, bound what the conversation may
	// spend on its executor. A running call is finished. Zero: no bound.
	MaxTokens int64  `json:"max_tokens,omitempty"`
	MaxCost   int64  `json:"max_cost_micros,omitempty"`
	Currency  string `json:"currency,omitempty"`
	// OnSpent says what happens when the budget of the conversation or of the day is used
	// up. Empty: Park.
	OnSpent OnExhausted `json:"on_spent,omitempty"`
	// RunTurns continues the workflow as new after this many turns. Zero: when
	// Temporal suggests it.
	RunTurns int `json:"run_turns,omitempty"`
	// CarryBytes bounds the part of the transcript that the workflow carries over when it
	// continues as new. The platform keeps the whole.
	CarryBytes int `json:"carry_bytes,omitempty"`
}

// The defaults of a Policy, and why.
const (
	// The first executor that is available, chosen once per conversation.
	DefaultExecutor = "auto"
	// A reasoning model can think for minutes. The heartbeat detects a dead worker, not
	// this timeout.
	DefaultReplyTimeout = 5 * time.Minute
	// With backoff from 1 to 30 seconds: about three minutes of outage.
	DefaultReplyAttempts = 10
	// A persona model may take two minutes, and reconciling a lost answer takes as long
	// again.
	DefaultExchangeTimeout = 6 * time.Minute
	// With backoff from 1 to 30 seconds: about eight minutes without the platform, enough
	// for a restart or a deploy there.
	DefaultPlatformAttempts = 20
	// Enough for an agent that looks facts up; one that needs more is in a loop.
	DefaultToolRounds = 8
	// With backoff from 1 to 30 seconds: about a minute.
	DefaultToolAttempts = 6
	// A page of text. It is recorded twice, and each model call pays for it again.
	DefaultToolResultBytes = 64 << 10
	// Temporal refuses payloads of 2 MiB, and text takes up to twice its bytes in one.
	MaxToolResultBytes = 512 << 10
	// An operator's working hour; the persona still waits after it.
	DefaultApprovalTimeout = time.Hour
	// Half of what Temporal accepts in one payload.
	DefaultMaxMessageBytes = 1 << 20
	// Far below Temporal's limit of 2 MiB a payload, and a small part of the
	// history of a run.
	DefaultCarryBytes = 32 << 10
)

// WithDefaults fills zero fields.
func (p Policy) WithDefaults() Policy {
	if p.Executor == "" {
		p.Executor = DefaultExecutor
	}
	if p.OnExhausted == "" {
		p.OnExhausted = Park
	}
	if p.OnSpent == "" {
		p.OnSpent = Park
	}
	if p.OnAmbiguous == "" {
		p.OnAmbiguous = ParkAmbiguous
	}
	if p.OnLength == "" {
		p.OnLength = SendCutOff
	}
	if p.MaxMessageBytes == 0 {
		p.MaxMessageBytes = DefaultMaxMessageBytes
	}
	if p.OnOversize == "" {
		p.OnOversize = CutOversize
	}
	if p.ReplyTimeout == 0 {
		p.ReplyTimeout = DefaultReplyTimeout
	}
	if p.ReplyAttempts == 0 {
		p.ReplyAttempts = DefaultReplyAttempts
	}
	if p.ExchangeTimeout == 0 {
		p.ExchangeTimeout = DefaultExchangeTimeout
	}
	if p.PlatformAttempts == 0 {
		p.PlatformAttempts = DefaultPlatformAttempts
	}
	if p.ToolRounds == 0 {
		p.ToolRounds = DefaultToolRounds
	}
	if p.ToolAttempts == 0 {
		p.ToolAttempts = DefaultToolAttempts
	}
	if p.ToolResultBytes == 0 {
		p.ToolResultBytes = DefaultToolResultBytes
	}
	if p.ApprovalTimeout == 0 {
		p.ApprovalTimeout = DefaultApprovalTimeout
	}
	if p.CarryBytes == 0 {
		p.CarryBytes = DefaultCarryBytes
	}
	return p
}
