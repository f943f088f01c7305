package activities

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/conversation/pressure"
	"github.com/parley-run/parley/internal/telemetry/metricstest"
)

// everything records each metric once, with names made from one.
func everything(t *testing.T, m *Metrics, name string) (end func()) {
	t.Helper()
	ctx, kind := t.Context(), conversation.Kind(name)
	m.failure(ctx, name, kind)
	m.retried(ctx, name, kind)
	m.replied(ctx, name, name, time.Second)
	m.used(ctx, name, name, conversation.Usage{InputTokens: 1, OutputTokens: 1, EstimatedTokens: 1})
	m.exchanged(ctx, name, time.Second)
	m.toolCalled(ctx, PlannedCall{Set: name, Name: name}, true, time.Second)
	m.repeated(ctx)
	m.joined(ctx, name)
	m.resent(ctx)
	m.recovered(ctx)
	m.cacheLookup(ctx, true)
	m.conversationStarted(ctx, name, true)
	in := PollInput{Platform: name, Agent: name}
	m.rowSkipped(ctx, in, kind)
	end = m.polling.begin(in)
	m.polled(ctx, in, PollStatus{Open: 1, Limit: 3, Waiting: 1, LastPoll: time.Now()}, &conversation.Error{Kind: kind, Err: errors.New("down")})
	m.lowered(ctx, name)
	return end
}

func TestThePageHasEveryMetricOfTheActivities(t *testing.T) {
	t.Parallel()
	provider, reader := metricstest.Manual()
	m, err := NewMetrics(provider.Meter("test"))
	require.NoError(t, err)
	defer everything(t, m, "x")()
	require.Len(t, metricstest.Compare(t, "..", metricstest.Recorded(t, reader)), 26)
}

// Ten thousand names of everything that others choose make no more than a few hundred
// series of any metric.
func TestNamesMakeNoSeriesWithoutEnd(t *testing.T) {
	t.Parallel()
	provider, reader := metricstest.Manual()
	m, err := NewMetrics(provider.Meter("test"))
	require.NoError(t, err)
	for i := range 10_000 {
		defer everything(t, m, fmt.Sprint("name ", i))()
	}
	require.NotEmpty(t, metricstest.Recorded(t, reader))
}

// A worker that does not poll any more has no gauges of what it polled: another worker
// reports them, and theirs would stand beside it for ever.
func TestGaugesEndWithTheirPoll(t *testing.T) {
	t.Parallel()
	provider, reader := metricstest.Manual()
	m, err := NewMetrics(provider.Meter("test"))
	require.NoError(t, err)
	in := PollInput{Platform: "p", Agent: "a"}
	end := m.polling.begin(in)
	m.polled(t.Context(), in, PollStatus{
		Open: 4, Queued: 2, Limit: 10, Reduced: &pressure.Reduction{Limit: 7}, Waiting: 5, LastPoll: time.Now().Add(-time.Minute),
	}, nil)
	m.polling.mu.Lock()
	it := m.polling.platforms()["p"]
	require.Equal(t, 7, it.limit())
	require.GreaterOrEqual(t, it.age(time.Now()), time.Minute)
	require.Equal(t, onerunTasks{processing: 4, queued: 5, max: 7, interval: 2}, m.polling.tasks())
	m.polling.mu.Unlock()
	gauges := []string{
		"parley.conversations.assigned", "parley.conversations.waiting", "parley.capacity.reserved", "parley.capacity.limit", "parley.capacity.free", "parley.poll.age",
	}
	for _, name := range gauges {
		require.Contains(t, metricstest.Recorded(t, reader), name)
	}
	end()
	for _, name := range gauges {
		require.NotContains(t, metricstest.Recorded(t, reader), name)
	}
	m.Close()
	require.NotContains(t, metricstest.Recorded(t, reader), "processing_tasks", "a provider that outlives the worker")
}
