package activities

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// listedRuns are conversations that visibility lists and whose ends are waited for.
type listedRuns struct {
	Runs
	open    []OpenRun
	waiting atomic.Int64
}

func (l *listedRuns) ListOpen(context.Context, string) ([]OpenRun, error) { return l.open, nil }
func (l *listedRuns) RemoveLimit(context.Context, string) error           { return nil }
func (l *listedRuns) WaitClosed(ctx context.Context, _ string) {
	l.waiting.Add(1)
	<-ctx.Done()
}

// However many conversations are open, so many requests wait at Temporal; the ends of the
// others are seen in the next listing.
func TestWatchesAreBounded(t *testing.T) {
	t.Parallel()
	runs := &listedRuns{}
	for i := range 3 * maxWatched {
		runs.open = append(runs.open, OpenRun{WorkflowID: fmt.Sprint("c", i)})
	}
	v := newCapacityView("p", 0, runs)
	require.NoError(t, v.list(t.Context()))
	require.Equal(t, 3*maxWatched, v.numbers().Open)
	require.Len(t, v.watched, maxWatched)

	runs.open = runs.open[:2*maxWatched]
	require.NoError(t, v.list(t.Context()))
	require.Equal(t, 2*maxWatched, v.numbers().Open)
	require.False(t, v.has(fmt.Sprint("c", 2*maxWatched)))
	v.cancel()
	v.watchers.Wait()
	require.EqualValues(t, maxWatched, runs.waiting.Load())
}
