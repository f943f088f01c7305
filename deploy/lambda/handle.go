package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	"go.temporal.io/sdk/worker"

	"github.com/parley-run/parley"
)

// A summary is the answer of an invocation.
type summary struct {
	// Reason is why the slice has ended: "idle", or "max_runtime" when there was more to do
	// than time.
	Reason  string  `json:"reason"`
	Seconds float64 `json:"seconds"`
	// Steps are the steps that this invocation has begun, of so many Conversations.
	Steps         int `json:"steps"`
	Conversations int `json:"conversations"`
	// Open are the conversations that are left, and Waiting those of them that wait for an
	// operator. Absent: Temporal did not say.
	Open    *int `json:"open,omitempty"`
	Waiting *int `json:"waiting,omitempty"`
}

// handle serves one slice. What the event says does not matter.
func (s settings) handle(ctx context.Context) (*summary, error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return nil, s.tooShort("0s")
	}
	left := time.Until(deadline)
	most := left - s.Drain - s.Margin
	if most < leastWork {
		return nil, s.tooShort(left.Round(time.Second).String())
	}
	slice, err := parley.RunSlice(ctx, parley.Options{
		UntilIdle: s.Idle, MaxRuntime: most, TemporalWait: most, Drain: s.Drain,
		Deployment:    worker.WorkerDeploymentVersion{DeploymentName: s.Deployment, BuildID: s.Build},
		HealthAddress: "off", // an invocation is not probed
		Logger:        slog.New(slog.NewJSONHandler(os.Stderr, nil)),
	})
	if err != nil {
		return nil, err
	}
	return &summary{
		Reason: slice.Reason, Seconds: slice.Runtime.Round(time.Millisecond).Seconds(), Steps: slice.Steps, Conversations: slice.Conversations,
		Open: known(slice.Open), Waiting: known(slice.Waiting),
	}, nil
}

func known(n int) *int {
	if n < 0 {
		return nil
	}
	return &n
}
