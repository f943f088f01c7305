package conversation

import (
	"math"
	"time"
)

// An OutcomeKind says how a conversation's workflow ended.
type OutcomeKind string

// The outcomes. Only [OutcomeFailed] needs an operator.
const (
	OutcomeEnded       OutcomeKind = "ended"        // it ran to its end; EndedBy says which side ended it
	OutcomeClaimLost   OutcomeKind = "claim_lost"   // another worker has it
	OutcomeFailed      OutcomeKind = "failed"       // retries ended, or the error was final; Detail says why
	OutcomeCancelled   OutcomeKind = "cancelled"    // cancelled in Temporal
	OutcomeExpired     OutcomeKind = "expired"      // the platform's time for it ran out
	OutcomeBudgetSpent OutcomeKind = "budget_spent" // its budget of tokens, money or turns is used up
)

// An EndedBy names the side that ended a conversation which ran to its end.
type EndedBy string

// The values of EndedBy.
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
	// Detail is one sentence: the platform's own end reason, or the error and its remedy.
	Detail string `json:"detail,omitempty"`
	// Turns counts the agent's replies that reached the platform.
	Turns int `json:"turns"`
	// Messages counts the messages of both sides.
	Messages int   `json:"messages"`
	Usage    Usage `json:"usage,omitzero"`
	// Started is when the workflow began, over all its runs.
	Started time.Time `json:"started,omitzero"`
	// Duration is from Started to the end, with all waiting.
	Duration time.Duration `json:"duration_ns,omitempty"`
	// Task is the result of the task. Nil: the conversation was not a task.
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

// Usage counts model tokens. Failed attempts count too, where the provider reports them.
type Usage struct {
	InputTokens  int64 `json:"input_tokens,omitempty"`
	OutputTokens int64 `json:"output_tokens,omitempty"`
	// CachedInputTokens are those of InputTokens that came from the provider's cache.
	CachedInputTokens int64 `json:"cached_input_tokens,omitempty"`
	// CacheWriteTokens are those of InputTokens that the provider stored in its cache.
	// Zero where it does not charge for them, or does not report them.
	CacheWriteTokens int64 `json:"cache_write_tokens,omitempty"`
	// Calls counts requests to the model.
	Calls int64 `json:"calls,omitempty"`
	// EstimatedTokens stand for the calls whose provider reported no tokens. They count
	// against budgets only, and are none of InputTokens and OutputTokens.
	EstimatedTokens int64 `json:"estimated_tokens,omitempty"`
	// Cost is money, in millionths of the currency of the executor's prices. Zero without
	// prices.
	Cost int64 `json:"cost_micros,omitempty"`
}

// No answer has more than these. maxTokens is far above the largest window of a model.
const (
	maxTokens = 1 << 32
	maxCalls  = 1 << 20
)

// Plausible returns the usage without the counts that no answer can have, such as negative
// ones: a peer reports what it likes, and budgets and metrics add it up.
func (u Usage) Plausible() Usage {
	within := func(n, most int64) int64 {
		if n < 0 || n > most {
			return 0
		}
		return n
	}
	input := within(u.InputTokens, maxTokens)
	return Usage{
		InputTokens:       input,
		OutputTokens:      within(u.OutputTokens, maxTokens),
		CachedInputTokens: min(within(u.CachedInputTokens, maxTokens), input),
		CacheWriteTokens:  min(within(u.CacheWriteTokens, maxTokens), input),
		Calls:             within(u.Calls, maxCalls),
		EstimatedTokens:   within(u.EstimatedTokens, 2*maxTokens),
		Cost:              max(u.Cost, 0),
	}
}

// Add returns the sum of both. A sum that does not fit is the largest number.
func (u Usage) Add(v Usage) Usage {
	return Usage{
		InputTokens:       sum(u.InputTokens, v.InputTokens),
		OutputTokens:      sum(u.OutputTokens, v.OutputTokens),
		CachedInputTokens: sum(u.CachedInputTokens, v.CachedInputTokens),
		CacheWriteTokens:  sum(u.CacheWriteTokens, v.CacheWriteTokens),
		Calls:             sum(u.Calls, v.Calls),
		EstimatedTokens:   sum(u.EstimatedTokens, v.EstimatedTokens),
		Cost:              sum(u.Cost, v.Cost),
	}
}

func sum(a, b int64) int64 {
	if total := a + b; a <= 0 || b <= 0 || total > 0 {
		return total
	}
	return math.MaxInt64
}
