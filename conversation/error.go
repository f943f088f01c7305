package conversation

import (
	"errors"
	"fmt"
	"time"
)

// A Kind says what an error means for the conversation. Adapters choose the
// kind; one place (package activities) maps kinds to what Temporal does.
type Kind string

// The kinds, and what happens. They become the error types seen in the
// Temporal UI: renaming one strands open runs.
const (
	// RateLimited: asked to slow down. Retried after RetryAfter, as a durable timer.
	RateLimited Kind = "RateLimited"
	// QuotaExhausted: nothing left to spend. The conversation and its inbox park.
	QuotaExhausted Kind = "QuotaExhausted"
	// Unauthorized: key wrong, expired or not allowed. The conversation and its inbox park.
	Unauthorized Kind = "Unauthorized"
	// Unavailable: 5xx, resets, stalls, timeouts. Retried with backoff. It is
	// also what an error without a kind counts as.
	Unavailable Kind = "Unavailable"
	// ContextTooLong: the request does not fit the model.
	ContextTooLong Kind = "ContextTooLong"
	// Refused: the model or a filter declined to answer.
	Refused Kind = "Refused"
	// Invalid: a malformed request, answer or configuration. Final.
	Invalid Kind = "Invalid"
	// NotFound: the platform does not know the conversation. Final.
	NotFound Kind = "NotFound"
	// BudgetSpent: the budget of the day or of the conversation is used up. The
	// conversation ends or parks, by its policy.
	BudgetSpent Kind = "BudgetSpent"
	// Ambiguous: a message may have reached the platform, or may still reach it, and
	// its transcript does not show which. It is never sent again by guess: the
	// conversation parks, or sends again, by its policy ([Policy].OnAmbiguous).
	Ambiguous Kind = "Ambiguous"
	// Diverged: the platform's transcript differs from what was sent and received
	// after the agent has spoken. The conversation parks with the difference.
	Diverged Kind = "Diverged"
	// Reset: the workflow's run was reset in Temporal. Nothing was done: the workflow
	// first compares what it knows with the platform.
	Reset Kind = "Reset"
	// Claimed: another worker has the conversation. An outcome, not a failure.
	Claimed Kind = "Claimed"
	// Ended: the conversation has ended already. An outcome, not a failure.
	Ended Kind = "Ended"
)

// An Error is a failure with a meaning. Its text must not contain secrets, and what others
// said stands in it as [Quote] writes it.
type Error struct {
	Kind Kind
	// Op is what was tried, lower case: "onerun: start conversation \"Cv7\"".
	Op string
	// RetryAfter is the least time the other side asked to wait. Zero: unsaid.
	RetryAfter time.Duration
	// Remedy says what a person can do. Empty: nothing but wait.
	Remedy string
	// Ambiguous means that the request may have taken effect although no
	// answer came: a timeout, a lost connection, a gateway's error. A caller
	// must look before it sends again.
	Ambiguous bool
	// Answered means that the other side gave an answer, if a bad one: whatever
	// the request did is done by now, so a look is enough. Without it, a request
	// that may have landed may also land later.
	Answered bool
	// Usage is what a failed model call cost, where the provider says.
	Usage Usage
	Err   error
}

// Error is "op: cause (remedy)".
func (e *Error) Error() string {
	s := e.Op
	if e.Err != nil {
		if s != "" {
			s += ": "
		}
		s += e.Err.Error()
	}
	if s == "" {
		s = string(e.Kind)
	}
	if e.Remedy != "" {
		s = fmt.Sprintf("%s (%s)", s, e.Remedy)
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf is the kind of the first [Error] in err's chain, and [Unavailable] if
// there is none: an error nobody understood is worth another try. KindOf(nil)
// is empty.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) && e.Kind != "" {
		return e.Kind
	}
	return Unavailable
}

// IsKind reports whether err has the kind.
func IsKind(err error, kind Kind) bool { return err != nil && KindOf(err) == kind }
