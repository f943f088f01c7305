package demo

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/sim"
)

func talk(id string, starts, messages int) sim.ConversationReport {
	return sim.ConversationReport{ID: id, Counts: sim.Counts{Starts: starts, AgentMessages: messages}}
}

func TestTrackerFollowsConversations(t *testing.T) {
	t.Parallel()
	clock := newClock()
	tr := newTracker(3, clock.now())
	require.Contains(t, tr.line(clock.now()), "0/3 · waiting for the first one to begin")

	clock.pass(2 * time.Second)
	require.Equal(t, []string{"a", "b"}, tr.update([]sim.ConversationReport{talk("a", 1, 0), talk("b", 1, 1), talk("c", 0, 0)}, clock.now()))
	require.Empty(t, tr.update([]sim.ConversationReport{talk("a", 1, 0), talk("b", 1, 1), talk("c", 0, 0)}, clock.now()))
	require.Equal(t, clock.now(), tr.first)
	require.Equal(t, "conversations "+bar(0, 3)+" 0/3 · 2 talking · 1 message · 2s", tr.line(clock.now()))

	clock.pass(time.Second)
	tr.finish(Conversation{ID: "b", Outcome: "ended"}, clock.now())
	require.Equal(t, []string{"c"}, tr.update([]sim.ConversationReport{talk("a", 1, 0), talk("b", 1, 1), talk("c", 1, 1)}, clock.now()))

	parked := []Conversation{{ID: "a", Outcome: "needs_attention"}, {ID: "b", Outcome: "needs_attention"}}
	require.Equal(t, parked[:1], tr.park(parked, clock.now()), "b has finished since")
	require.Empty(t, tr.park(parked, clock.now()), "said before")
	require.Equal(t, "conversations "+bar(1, 3)+" 1/3 · 1 talking · 1 waiting for an operator · 2 messages · 3s", tr.line(clock.now()))
	require.False(t, tr.stuck(clock.now().Add(parkedPatience)))
	require.True(t, tr.stuck(clock.now().Add(parkedPatience+1)))

	tr.finish(Conversation{ID: "c", Outcome: "ended"}, clock.now())
	require.True(t, tr.stuck(clock.now()))
	require.False(t, tr.done())
	require.Equal(t, []Conversation{parked[0], {ID: "b", Outcome: "ended"}, {ID: "c", Outcome: "ended"}}, tr.all(strings.ToUpper))

	tr.finish(Conversation{ID: "a", Outcome: "ended"}, clock.now())
	require.True(t, tr.done())
	require.False(t, tr.stuck(clock.now().Add(time.Hour)))
}

func TestTrackerListsWhatHasNotEnded(t *testing.T) {
	t.Parallel()
	tr := newTracker(2, time.Time{})
	tr.update([]sim.ConversationReport{talk("a", 1, 0), talk("b", 0, 0)}, time.Time{})
	require.False(t, tr.stuck(time.Time{}.Add(patience)))
	require.True(t, tr.stuck(time.Time{}.Add(patience+1)))
	require.Equal(t, []Conversation{
		{ID: "a", WorkflowID: "A", Outcome: "talking", Detail: "it has made no progress for a long time"},
		{ID: "b", WorkflowID: "B", Outcome: "waiting", Detail: "no worker has claimed it"},
	}, tr.all(strings.ToUpper))
}

func TestFinest(t *testing.T) {
	t.Parallel()
	_, ok := finest(nil)
	require.False(t, ok)
	got, ok := finest([]Conversation{
		{ID: "broken", Outcome: "failed", Turns: 4},
		{ID: "short", Outcome: "ended", EndedBy: "persona", Turns: 1},
		{ID: "nice", Outcome: "ended", EndedBy: "persona", Turns: 4},
		{ID: "long", Outcome: "ended", EndedBy: "persona", Turns: 9},
		{ID: "cut", Outcome: "ended", EndedBy: "turn_limit", Turns: 4},
	})
	require.True(t, ok)
	require.Equal(t, "nice", got.ID)
}
