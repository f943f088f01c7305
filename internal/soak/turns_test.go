//go:build soak

package soak_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
)

// One conversation of ten thousand turns on a platform: each run as long as the others, and
// memory that grows by the transcript alone.
func TestTurns(t *testing.T) {
	c, _ := connected(t, nil)
	r := rig.New(t, c, rig.Options{
		Sim: sim.Config{Player: rig.Endless{Pad: 300}}, Setup: sim.Setup{Conversations: 1, MaxTurns: 2**turns + 1},
		Executor: agent{strings.Repeat("word ", 60)},
	})
	r.StartWorker(t)
	id := r.Start(t, r.Waiting(t)[0].Ref)
	begun := time.Now()
	run := c.GetWorkflow(t.Context(), id, "")
	done := make(chan error, 1)
	var out conversation.Outcome
	go func() { done <- run.Get(context.WithoutCancel(t.Context()), &out) }()
	tick := time.NewTicker(30 * time.Second)
	defer tick.Stop()
	for over := false; !over; {
		select {
		case err := <-done:
			require.NoError(t, err)
			over = true
		case <-tick.C:
			bytes, goroutines := memory()
			t.Logf("%6.0f s: turn %d, %d MiB, %d goroutines", time.Since(begun).Seconds(), r.Status(t, id).Turn, bytes>>20, goroutines)
		}
	}
	require.Equal(t, *turns, out.Turns)
	require.Equal(t, 2**turns+1, out.Messages)
	r.RequireOnce(t)
	took := time.Since(begun)
	runs := chain(t, c, id)
	largest, events := int64(0), int64(0)
	for _, run := range runs {
		desc, err := c.DescribeWorkflowExecution(t.Context(), id, run)
		require.NoError(t, err)
		largest = max(largest, desc.GetWorkflowExecutionInfo().GetHistorySizeBytes())
		events = max(events, desc.GetWorkflowExecutionInfo().GetHistoryLength())
	}
	require.Greater(t, len(runs), 1, "-turns is too small for a second run: give 1000 or more")
	first, last := inputSize(t, c, id, runs[1]), inputSize(t, c, id, runs[len(runs)-1])
	t.Logf("%d turns in %s, %.0f ms each; %d runs, the largest with %d events and %d KiB; carried over %d B at first, %d B at last",
		*turns, took.Round(time.Second), took.Seconds()*1000/float64(*turns), len(runs), events, largest>>10, first, last)
	require.InDelta(t, first, last, 8<<10)
}

// chain lists the runs of a workflow, the first one first.
func chain(t *testing.T, c client.Client, id string) (runs []string) {
	t.Helper()
	desc, err := c.DescribeWorkflowExecution(t.Context(), id, "")
	require.NoError(t, err)
	for run := desc.GetWorkflowExecutionInfo().GetExecution().GetRunId(); run != ""; {
		runs = append([]string{run}, runs...)
		first, err := c.GetWorkflowHistory(t.Context(), id, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT).Next()
		require.NoError(t, err)
		run = first.GetWorkflowExecutionStartedEventAttributes().GetContinuedExecutionRunId()
	}
	return runs
}

// inputSize is what a run was started with, in bytes.
func inputSize(t *testing.T, c client.Client, id, run string) int {
	t.Helper()
	first, err := c.GetWorkflowHistory(t.Context(), id, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT).Next()
	require.NoError(t, err)
	return len(first.GetWorkflowExecutionStartedEventAttributes().GetInput().GetPayloads()[0].GetData())
}
