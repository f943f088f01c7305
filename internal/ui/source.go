package ui

import (
	"context"

	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

// A Source is what the pages show. A *records.Live is one.
type Source interface {
	// Snapshot is the newest list of conversations, the newest first.
	Snapshot() records.Snapshot
	// Changed returns a channel that is closed at the next change of the snapshot.
	Changed() <-chan struct{}
	// Record reads one conversation whole.
	Record(ctx context.Context, id string) (records.Record, error)
}

// An Actor acts on conversations. An *operate.Operator is one.
type Actor interface {
	Resume(ctx context.Context, id string, req workflows.ResumeRequest) (workflows.Status, error)
	Takeover(ctx context.Context, id string, req workflows.TakeoverRequest) (workflows.Status, error)
	End(ctx context.Context, id string, req workflows.EndRequest) (workflows.Status, error)
	Pause(ctx context.Context, id string, req workflows.PauseRequest) (workflows.Status, error)
	Approve(ctx context.Context, id string, req workflows.ApproveRequest) (workflows.Status, error)
}
