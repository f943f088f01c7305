package platforms

import (
	"context"
	"encoding/json"
	"time"

	"github.com/parley-run/parley/conversation"
)

// Tasks is a platform whose conversations are tasks: its Context has a Task, its
// Transcript the task's message alone, and the reply goes to Report instead of
// Send. It is an optional power of a Platform, found by assertion; such a
// platform's Claim, Send and End are not called.
type Tasks interface {
	// Take claims one occurrence of a task, at or after the second it is due. Kind
	// Claimed means that it is not ours to run: another worker has it, it was
	// cancelled, or it has expired. After any other error whose Ambiguous is
	// set the claim may be ours all the same.
	Take(ctx context.Context, ref conversation.Ref, claim Claim) (Receipt, error)

	// Held finds out, without claiming anything, whether an earlier attempt at this
	// claim has landed and is ours. Kind Claimed means that nothing of it is left to
	// us: there is nothing to run and nothing to report.
	Held(ctx context.Context, ref conversation.Ref, claim Claim) (Receipt, error)

	// Withdrawn tells whether nobody wants the task's result any more: it was
	// cancelled or deleted while it ran.
	Withdrawn(ctx context.Context, ref conversation.Ref, receipt Receipt) (bool, error)

	// Report acknowledges the task. Doing it twice for one receipt has the effect
	// of once, even where the service's own acknowledgement has not: a call with
	// Tried looks first. A task that is over for the platform is no error.
	Report(ctx context.Context, ref conversation.Ref, report Report) error
}

// A Claim is the wish to take a task.
type Claim struct {
	// Worker names who claims. It is the same for every attempt of this claim and
	// different for any other.
	Worker string
	// Tried means that an earlier attempt may have landed.
	Tried bool
	// Adopt takes over what another worker has claimed and left.
	Adopt bool
}

// A Receipt is what a claim gave.
type Receipt struct {
	// ExecutionID is the platform's name for this run. Empty where it gives none:
	// Parley then makes one.
	ExecutionID string `json:"execution_id,omitempty"`
	Worker      string `json:"worker,omitempty"`
	// State is the platform's own, at most 4 KiB of JSON without secrets.
	State json.RawMessage `json:"state,omitempty"`
}

// A Report is how a task has ended.
type Report struct {
	Receipt Receipt                 `json:"receipt"`
	Status  conversation.TaskStatus `json:"status"`
	Error   string                  `json:"error,omitempty"`
	Took    time.Duration           `json:"took_ns,omitempty"`
	// Result is a short form of the result, for platforms that keep one. Nil: it
	// was not wanted, or is too long.
	Result json.RawMessage `json:"result,omitempty"`
	// Tried means that an earlier attempt may have landed.
	Tried bool `json:"-"`
}
