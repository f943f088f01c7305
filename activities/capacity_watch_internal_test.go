package activities

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// listedRuns are conversations that visibility lists and whose ends are waited for.
type listedRuns struct {
	Runs
	open    []OpenRun
	lags    string // runs, and is not listed
	waiting atomic.Int64
}

func (l *listedRuns) ListOpen(context.Context, string) ([]OpenRun, error) { return l.open, nil }
func (l *listedRuns) RemoveLimit(context.Context, string) error           { return nil }
func (l *listedRuns) Describe(_ context.Context, id string) (RunInfo, error) {
	return RunInfo{Exists: true, Running: id == l.lags}, nil
}
func (l *listedRuns) WaitClosed(ctx context.Context, _ string) {
	l.waiting.Add(1)
	<-ctx.Done()
}

// Without a limit nothing waits at Temporal: ends are seen in the next listing.
func TestNothingIsWatchedWithoutALimit(t *testing.T) {
	t.Parallel()
	runs := &listedRuns{}
	for i := range 300 {
		runs.open = append(runs.open, OpenRun{WorkflowID: fmt.Sprint("c", i)})
	}
	v := newCapacityView("p", 0, runs)
	require.NoError(t, v.list(t.Context()))
	require.Equal(t, 300, v.numbers().Open)

	runs.open, runs.lags = runs.open[:200], "c201"
	require.NoError(t, v.list(t.Context()))
	require.Equal(t, 201, v.numbers().Open)
	require.False(t, v.has("c200"))
	require.True(t, v.has("c201"), "visibility lags")
	v.cancel()
	v.watchers.Wait()
	require.Zero(t, runs.waiting.Load())
}

// However many conversations are open under a limit, so many requests wait at Temporal.
func TestWatchesAreBounded(t *testing.T) {
	t.Parallel()
	runs := &listedRuns{}
	v := newCapacityView("p", 5*maxWatched, runs)
	var status CapacityStatus
	for i := range 3 * maxWatched {
		status.Open = append(status.Open, Reservation{ID: fmt.Sprint("c", i)})
	}
	v.update(status)
	require.Equal(t, 3*maxWatched, v.numbers().Open)
	require.Len(t, v.watched, maxWatched)
	v.cancel()
	v.watchers.Wait()
	require.EqualValues(t, maxWatched, runs.waiting.Load())
}

// The ends that are not watched are found by the next comparison: what is not listed as
// running is described first.
func TestComparisonBeginsWithWhatIsNotListed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := suspects{described: map[string]time.Time{}, seen: map[string]suspicion{}}
		var all []Reservation
		running := map[string]bool{}
		for i := range 2000 {
			r := Reservation{ID: fmt.Sprint("c", i)}
			all = append(all, r)
			running[r.ID] = i < 800
		}
		require.Empty(t, s.due(all, running), "they may be starting")
		time.Sleep(describeAfter)
		due := s.due(all, running)
		require.Len(t, due, endedAtOnce+describedAtOnce)
		for _, r := range due[:endedAtOnce] {
			require.False(t, running[r.ID])
		}
		time.Sleep(describeAfter)
		again := s.due(all, running)
		require.False(t, slices.Contains(again, due[0]), "each has its turn")
	})
}
