package platforms

import (
	"context"
	"encoding/json"
	"time"

	"github.com/parley-run/parley/conversation"
)

// Tasks is a platform that schedules work: each conversation is one occurrence of a
// task. What is to be done is the Task of its Context, and the agent's reply goes to
// Report.
type Tasks interface {
	Platform

	// Claim claims one occurrence of a task, at or after the second it is due. Kind
	// Claimed means that it is not ours to run: another worker has it, it was cancelled,
	// or it has expired. After any other error whose Ambiguous is set the claim is
	// ambiguous: it may be ours. The same claim made again, with Tried, has the same
	// receipt.
	Claim(ctx context.Context, ref conversation.Ref, claim Claim) (Receipt, error)

	// FindClaim finds out, without claiming anything, whether an earlier attempt at this
	// claim took effect and is ours. Kind Claimed means that it is not: there is nothing
	// to run and nothing to report.
	FindClaim(ctx context.Context, ref conversation.Ref, claim Claim) (Receipt, error)

	// Context returns the work: its Task is set. Kind Ended means that the
	// occurrence is over for the platform: it was cancelled, acknowledged, or has
	// expired. The context may be returned along with this error.
	Context(ctx context.Context, ref conversation.Ref) (conversation.Context, error)

	// Cancelled reports whether the task was cancelled or deleted while it ran, so that its
	// result is no longer needed.
	Cancelled(ctx context.Context, ref conversation.Ref, receipt Receipt) (bool, error)

	// Report acknowledges the task. Two reports for one receipt have the effect
	// of one, even where the service's own acknowledgement is not idempotent: a call with
	// Tried reads the task first. A task that is over for the platform is no error.
	Report(ctx context.Context, ref conversation.Ref, report Report) error
}

// A Claim is a request to claim a task.
type Claim struct {
	// Worker names the claimant. It is the same for every attempt of this claim and
	// different for any other.
	Worker string
	// Tried means that an earlier attempt may have taken effect.
	Tried bool
	// Adopt claims what another worker has claimed and left.
	Adopt bool
}

// A Receipt is the result of a claim, and is shown when the task is reported.
type Receipt struct {
	// ExecutionID is the platform's name for this run. Empty where it gives none:
	// Parley then makes one.
	ExecutionID string `json:"execution_id,omitempty"`
	Worker      string `json:"worker,omitempty"`
	// State is the platform's own, at most 4 KiB of JSON without secrets.
	State json.RawMessage `json:"state,omitempty"`
}

// A Report is the result of a task, for its platform.
type Report struct {
	Receipt Receipt                 `json:"receipt"`
	Status  conversation.TaskStatus `json:"status"`
	Error   string                  `json:"error,omitempty"`
	// Duration is how long the run took. Zero: it did not begin.
	Duration time.Duration `json:"duration_ns,omitempty"`
	// Result is a short form of the result, for platforms that keep one. Nil: it
	// was not wanted, or is too long.
	Result json.RawMessage `json:"result,omitempty"`
	// Tried means that an earlier attempt may have taken effect.
	Tried bool `json:"-"`
}
