package conversation

import "time"

// An OutcomeKind says how a conversation's workflow came to its end.
type OutcomeKind string

// The outcomes. Only [OutcomeFailed] is something to look into.
const (
	OutcomeEnded       OutcomeKind = "ended"        // it ran to its end; EndedBy says by whom
	OutcomeClaimLost   OutcomeKind = "claim_lost"   // another worker has it
	OutcomeFailed      OutcomeKind = "failed"       // given up; Detail says why
	OutcomeCancelled   OutcomeKind = "cancelled"    // cancelled in Temporal
	OutcomeExpired     OutcomeKind = "expired"      // the platform gave it up
	OutcomeBudgetSpent OutcomeKind = "budget_spent" // its budget of tokens, money or turns is used up
)

// An EndedBy says who or what ended a conversation that ran to its end.
type EndedBy string

// Who ends conversations.
const (
	EndedByPersona   EndedBy = "persona"
	EndedByTurnLimit EndedBy = "turn_limit"
	EndedByAgent     EndedBy = "agent"
	EndedByOperator  EndedBy = "operator"
	EndedByPlatform  EndedBy = "platform"
)

// An Outcome is how a conversation ended, with its counts.
type Outcome struct {
	Kind    OutcomeKind `json:"outcome"`
	EndedBy EndedBy     `json:"ended_by,omitempty"`
	// Detail is one sentence for people: the platform's own end reason, or the
	// error and its remedy.
	Detail string `json:"detail,omitempty"`
	// Turns counts the agent's replies that reached the platform.
	Turns int `json:"turns"`
	// Messages counts the messages of both sides.
	Messages int   `json:"messages"`
	Usage    Usage `json:"usage,omitzero"`
	// Started is when the workflow began, over all its runs.
	Started time.Time `json:"started,omitzero"`
	// Duration is from Started to the end, waiting for people included.
	Duration time.Duration `json:"duration_ns,omitempty"`
	// Task is how the task ended, if the conversation was one.
	Task *TaskResult `json:"task,omitempty"`
}

// String is the outcome in words: "ended by persona", "claim lost".
func (o Outcome) String() string {
	switch o.Kind {
	case OutcomeEnded:
		switch o.EndedBy {
		case "":
			return "ended"
		case EndedByTurnLimit:
			return "ended by turn limit"
		default:
			return "ended by " + string(o.EndedBy)
		}
	case OutcomeClaimLost:
		return "claim lost"
	case OutcomeBudgetSpent:
		return "budget spent"
	default:
		return string(o.Kind)
	}
}

// Usage counts model tokens. Attempts that failed count too, where the provider
// reported them.
type Usage struct {
	InputTokens  int64 `json:"input_tokens,omitempty"`
	OutputTokens int64 `json:"output_tokens,omitempty"`
	// CachedInputTokens are those of InputTokens that came from the provider's cache.
	CachedInputTokens int64 `json:"cached_input_tokens,omitempty"`
	// CacheWriteTokens are those of InputTokens that the provider has put into its
	// cache. Zero where it does not charge, or does not say.
	CacheWriteTokens int64 `json:"cache_write_tokens,omitempty"`
	// Calls counts requests to the model.
	Calls int64 `json:"calls,omitempty"`
	// Cost is money, in millionths of the currency that the executor's prices are
	// in. Zero where no prices are configured.
	Cost int64 `json:"cost_micros,omitempty"`
}

// Add returns the sum of both.
func (u Usage) Add(v Usage) Usage {
	return Usage{
		InputTokens:       u.InputTokens + v.InputTokens,
		OutputTokens:      u.OutputTokens + v.OutputTokens,
		CachedInputTokens: u.CachedInputTokens + v.CachedInputTokens,
		CacheWriteTokens:  u.CacheWriteTokens + v.CacheWriteTokens,
		Calls:             u.Calls + v.Calls,
		Cost:              u.Cost + v.Cost,
	}
}
