package activities

import (
	"context"
	"time"

	"github.com/parley-run/parley/conversation"
)

// Runs starts conversation workflows, finds those that run, and reserves capacity for
// them.
type Runs interface {
	// Start starts the workflow of a conversation. started is false if it runs
	// already or has run: two polls that meet start one. An error of kind Invalid
	// means that this one conversation can never be started as it is.
	Start(ctx context.Context, req StartRequest) (workflowID string, started bool, err error)
	// ListOpen lists the conversations of the platform instance that are running, of
	// any agent. It may be seconds behind.
	ListOpen(ctx context.Context, platform string) ([]OpenRun, error)
	// Describe returns the state of a conversation at this moment.
	Describe(ctx context.Context, workflowID string) (RunInfo, error)
	// WaitClosed returns when the workflow has closed or ctx is done.
	WaitClosed(ctx context.Context, workflowID string)
	// Capacity returns the reservations of a platform instance.
	Capacity(ctx context.Context, platform string) (CapacityStatus, error)
	// Reserve releases reservations and asks for others.
	Reserve(ctx context.Context, platform string, req ReserveRequest) (ReserveResult, error)
	// RemoveLimit removes the limit of the platform instance, if there is one.
	RemoveLimit(ctx context.Context, platform string) error
}

// A StartRequest asks for the workflow of a conversation.
type StartRequest struct {
	Ref     conversation.Ref
	Policy  conversation.Policy
	Persona string
	Adopt   bool
	// Task means that it is an occurrence of a task: it runs once, and is claimed
	// even to be adopted.
	Task bool
	// Reservation is what the conversation holds of its platform's capacity, and Limit
	// is how many conversations may be open. Zero: it does not count.
	Reservation Reservation
	Limit       int
}

// An OpenRun is a conversation workflow that is running.
type OpenRun struct {
	WorkflowID string
	Simulation string
}

// A RunInfo is what Temporal knows about a conversation's newest run.
type RunInfo struct {
	// Exists is false where there is no such workflow.
	Exists  bool
	Running bool
	// Closed is when it ended. Zero while it is running.
	Closed time.Time
	// Parked: it waits for an operator, or for capacity.
	Parked bool
	// Untaken names the task that no worker can take, as far as Temporal knows. Empty:
	// there is none.
	Untaken string
}

// endedAfter reports whether the newest run has closed since a reservation was made.
func (i RunInfo) endedAfter(r Reservation) bool {
	return i.Exists && !i.Running && i.Closed.After(r.Since)
}
