package conversation

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A Kind is the meaning of an error for the conversation. Adapters choose the kind;
// package activities alone maps kinds to Temporal's errors and retries.
type Kind string

// The kinds. They become the error types in the Temporal UI: renaming one strands open
// runs.
const (
	// RateLimited: the peer asks to slow down. Retried after RetryAfter, as a durable
	// timer.
	RateLimited Kind = "RateLimited"
	// QuotaExhausted: no credit is left. The conversation and its inbox park.
	QuotaExhausted Kind = "QuotaExhausted"
	// Unauthorized: the key is wrong, expired or lacks a permission. The conversation and
	// its inbox park.
	Unauthorized Kind = "Unauthorized"
	// Unavailable: 5xx, resets, stalls, timeouts. Retried with backoff. An error without
	// a kind counts as this one.
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
	// Ambiguous: a message may have reached the platform, or may still reach it, and the
	// platform's transcript does not show which. [Policy].OnAmbiguous says whether the
	// conversation parks or sends again.
	Ambiguous Kind = "Ambiguous"
	// Diverged: after the agent has spoken, the platform's transcript differs from the
	// messages sent and received. The conversation parks with the difference.
	Diverged Kind = "Diverged"
	// Reset: the workflow's run was reset in Temporal. The activity has done nothing: the
	// workflow first reconciles with the platform.
	Reset Kind = "Reset"
	// Claimed: another worker has the conversation. An outcome, not a failure.
	Claimed Kind = "Claimed"
	// Ended: the conversation ended earlier. An outcome, not a failure.
	Ended Kind = "Ended"
)

// An Error is a failure with a kind. Its text must not contain secrets; texts of other
// parties stand in it as [Quote] writes them.
type Error struct {
	Kind Kind
	// Op is the operation and its subject, lower case: "onerun: start conversation
	// \"Cv7\"".
	Op string
	// RetryAfter is the shortest wait that the peer asks for. Zero: it names none.
	RetryAfter time.Duration
	// Remedy says what an operator can do. Empty: only waiting helps.
	Remedy string
	// Ambiguous means that the request may have taken effect although no answer came:
	// after a timeout, a lost connection or a gateway's error. The caller must reconcile
	// before it sends again.
	Ambiguous bool
	// Answered means that the peer answered, with an error: the effect of the request, if
	// any, has happened by now, and one read of the peer's state is enough. Without it,
	// an ambiguous request may also take effect later.
	Answered bool
	// Usage is the cost of a failed model call, where the provider reports it.
	Usage Usage
	Err   error
}

// Error is "op: cause (remedy)". Where an Error wraps another, it has one remedy: its
// own, and else that of the cause.
func (e *Error) Error() string {
	text, remedy := Explain(e)
	if remedy != "" {
		return fmt.Sprintf("%s (%s)", text, remedy)
	}
	return text
}

// Explain takes an error's text and its remedy apart, for those who show the two in
// different places. Without an [Error] in err's chain there is no remedy.
func Explain(err error) (text, remedy string) {
	var e *Error
	switch {
	case err == nil:
		return "", ""
	case !errors.As(err, &e):
		return err.Error(), ""
	case error(e) != err: // what wraps it puts words in front
		text, remedy = Explain(e)
		if before, ok := strings.CutSuffix(err.Error(), e.Error()); ok {
			return before + text, remedy
		}
		return err.Error(), ""
	}
	text = e.Op
	if e.Err != nil {
		cause, itsRemedy := Explain(e.Err)
		if text != "" {
			text += ": "
		}
		text, remedy = text+cause, itsRemedy
	}
	return cmp.Or(text, string(e.Kind)), cmp.Or(e.Remedy, remedy)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf is the kind of the first [Error] in err's chain, and [Unavailable] if there is
// none: an unknown error is worth a retry. KindOf(nil) is empty.
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
