package conversation

import "time"

// OnExhausted says what happens to a conversation when retries have ended.
type OnExhausted string

// What happens when retries have ended.
const (
	// Park waits, visible as "needs attention", until an operator resumes, takes
	// over or ends the conversation.
	Park OnExhausted = "park"
	// EndConversation ends it on the platform and records the failure.
	EndConversation OnExhausted = "end"
)

// OnAmbiguous says what happens to a message of which it stays unknown whether the
// platform has it.
type OnAmbiguous string

// What happens to an ambiguous message.
const (
	// ParkAmbiguous parks the conversation and goes on looking, less and less often. It
	// continues by itself once the platform's transcript shows the message.
	ParkAmbiguous OnAmbiguous = "park"
	// ResendAmbiguous sends the message again after each wait, which is longer each
	// time. The other side may get it twice.
	ResendAmbiguous OnAmbiguous = "resend"
)

// OnOversize says what happens to a message of the other side that is longer than
// MaxMessageBytes.
type OnOversize string

// What happens to an oversized message.
const (
	CutOversize  OnOversize = "cut"  // it is cut, with a mark that says so
	ParkOversize OnOversize = "park" // the conversation parks with the reason
)

// A Policy says how one conversation is run. It travels in the workflow's input,
// so that a change of configuration affects new conversations only. Zero values
// mean the defaults of [Policy.WithDefaults].
type Policy struct {
	OnExhausted OnExhausted `json:"on_exhausted,omitempty"`
	// MaxTurns ends the conversation, as budget spent, after this many replies of
	// the agent. Zero: only the platform's own limit counts.
	MaxTurns int `json:"max_turns,omitempty"`
	// ReplyTimeout is how long one attempt at the agent's reply may take.
	ReplyTimeout time.Duration `json:"reply_timeout,omitempty"`
	// ReplyAttempts is how often a reply is tried before OnExhausted applies.
	ReplyAttempts int `json:"reply_attempts,omitempty"`
	// ExchangeTimeout is how long one attempt to send and get an answer may take,
	// looking for an earlier attempt's message included.
	ExchangeTimeout time.Duration `json:"exchange_timeout,omitempty"`
	// OnAmbiguous applies to messages of which it stays unknown whether the platform
	// has them. Empty: ParkAmbiguous.
	OnAmbiguous OnAmbiguous `json:"on_ambiguous,omitempty"`
	// MaxMessageBytes bounds each message of the other side, and each text of the
	// context (persona, story, scenario), in bytes of JSON. Zero:
	// DefaultMaxMessageBytes.
	MaxMessageBytes int `json:"max_message_bytes,omitempty"`
	// OnOversize applies to messages above MaxMessageBytes. Empty: CutOversize.
	OnOversize OnOversize `json:"on_oversize,omitempty"`
	// PlatformAttempts is how often a call to the platform is tried before
	// OnExhausted applies.
	PlatformAttempts int `json:"platform_attempts,omitempty"`
	// Tools names the sets of tools the agent may use.
	Tools []string `json:"tools,omitempty"`
	// ToolRounds is how often in one turn the agent may call tools before it must
	// answer. Zero: DefaultToolRounds.
	ToolRounds int `json:"tool_rounds,omitempty"`
	// ToolAttempts is how often a tool call is tried when the tool's server fails.
	// What the tool itself says is final.
	ToolAttempts int `json:"tool_attempts,omitempty"`
	// ToolResultBytes bounds what a tool may say; the rest is cut off. At most
	// MaxToolResultBytes.
	ToolResultBytes int `json:"tool_result_bytes,omitempty"`
	// ApprovalTimeout is how long a call that needs approval waits for it.
	ApprovalTimeout time.Duration `json:"approval_timeout,omitempty"`
	// Executors names those that a conversation's metadata may choose instead of
	// the agent's. Empty: none.
	Executors []string `json:"executors,omitempty"`
	// RefusalText is sent instead of a reply that the model refuses to give. Empty:
	// OnExhausted applies.
	RefusalText string `json:"refusal_text,omitempty"`
	// MaxTokens and MaxCost, in millionths of Currency, bound what the conversation
	// may spend on its executor. Calls under way are finished. Zero: no bound.
	MaxTokens int64  `json:"max_tokens,omitempty"`
	MaxCost   int64  `json:"max_cost_micros,omitempty"`
	Currency  string `json:"currency,omitempty"`
	// OnSpent says what happens when a budget is used up: the conversation's or the
	// day's. Empty: Park.
	OnSpent OnExhausted `json:"on_spent,omitempty"`
	// RunTurns continues the workflow as new after this many turns. Zero: when
	// Temporal suggests it.
	RunTurns int `json:"run_turns,omitempty"`
	// CarryBytes bounds the transcript that goes along when the workflow
	// continues as new. The platform keeps the whole.
	CarryBytes int `json:"carry_bytes,omitempty"`
}

// The defaults of a Policy, and why.
const (
	// A reasoning model can think for minutes; a dead worker is noticed by the
	// heartbeat, not by this.
	DefaultReplyTimeout = 5 * time.Minute
	// With backoff from 1 to 30 seconds: about three minutes of trouble.
	DefaultReplyAttempts = 10
	// A persona model may take two minutes, and an answer that got lost is looked
	// for as long again before it counts as not sent.
	DefaultExchangeTimeout = 6 * time.Minute
	// With backoff from 1 to 30 seconds: about eight minutes of an unreachable
	// platform, enough for a restart or a deploy there.
	DefaultPlatformAttempts = 20
	// Enough for an agent that looks things up; one that goes on is lost.
	DefaultToolRounds = 8
	// With backoff from 1 to 30 seconds: about a minute.
	DefaultToolAttempts = 6
	// A page of text. It is recorded twice, and read by a model that is paid for.
	DefaultToolResultBytes = 64 << 10
	// Temporal refuses payloads of 2 MiB, and text takes up to twice its bytes in one.
	MaxToolResultBytes = 512 << 10
	// A person's working hour; the persona is still there after it.
	DefaultApprovalTimeout = time.Hour
	// Half of what Temporal takes in one payload.
	DefaultMaxMessageBytes = 1 << 20
	// Far below Temporal's limit of 2 MiB a payload, and a small part of the
	// history of a run.
	DefaultCarryBytes = 32 << 10
)

// WithDefaults fills zero fields.
func (p Policy) WithDefaults() Policy {
	if p.OnExhausted == "" {
		p.OnExhausted = Park
	}
	if p.OnSpent == "" {
		p.OnSpent = Park
	}
	if p.OnAmbiguous == "" {
		p.OnAmbiguous = ParkAmbiguous
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
