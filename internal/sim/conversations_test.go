package sim_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/sim"
)

// TestTurnArithmetic is the protocol's table: a turn is a message of either side, and
// the last message comes together with the end.
func TestTurnArithmetic(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		maxTurns   int
		agentFirst bool
		stored     []int // after each call
	}{
		"PersonaFirst5": {5, false, []int{1, 3, 5}},
		"PersonaFirst4": {4, false, []int{1, 3, 5}}, // one more than the limit
		"PersonaFirst2": {2, false, []int{1, 3}},
		"PersonaFirst1": {1, false, []int{1}},
		"PersonaFirst0": {0, false, []int{1}},
		"AgentFirst5":   {5, true, []int{2, 4, 6}},
		"AgentFirst4":   {4, true, []int{2, 4}},
		"AgentFirst1":   {1, true, []int{2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, sim.Config{Player: chatty}).seed(sim.Setup{Conversations: 1})
			b.seeded.SimulationIDs[0] = b.post(b.q("/v1/simulations"), map[string]any{
				"agent_id": b.seeded.AgentID, "name": "s", "scenario": "s", "target_conversations": 1, "target_personas": 1,
				"max_turns": test.maxTurns, "auto_approve": true,
			}).body["id"].(string)
			c := b.conversations(0)[0]
			b.post(b.conv(c, "/start"), nil)
			for i, stored := range test.stored {
				input := any(says(fmt.Sprintf("agent %d", i)))
				if i == 0 && !test.agentFirst {
					input = map[string]any{"input": nil}
				}
				reply := b.post(b.conv(c, "/responses"), input)
				require.Len(t, b.transcript(c), stored)
				require.NotEmpty(t, reply.output())
				require.Equal(t, i == len(test.stored)-1, reply.ended())
			}
			body := b.get(b.conv(c, "")).body
			require.Equal(t, "ended", body["status"])
			require.Equal(t, "max_turns_reached", body["end_reason"])
		})
	}
}

func TestWaysToEnd(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		player sim.Player
		output string
		ended  bool
		reason any
		stored int
	}{
		"Stays":        {saying("hello", false), "hello", false, nil, 2},
		"Marker":       {saying("bye [END]", false), "bye", true, "persona_decided", 2},
		"MarkerSpace":  {saying("bye [END] \n\t", false), "bye", true, "persona_decided", 2},
		"MarkerInside": {saying("[END] of story", false), "[END] of story", false, nil, 2},
		"MarkerOnly":   {saying("[END]", false), "", true, "persona_decided", 1},
		"Decides":      {saying("bye", true), "bye", true, "persona_decided", 2},
		"Silent":       {saying("", false), "", true, "persona_decided", 1},
		"White":        {saying(" \n", false), "", true, "persona_decided", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, sim.Config{Player: test.player, Lenient: sim.Lenient{Markers: true}}, sim.Setup{Conversations: 1})
			c := b.conversations(0)[0]
			b.post(b.conv(c, "/start"), nil)
			reply := b.post(b.conv(c, "/responses"), says("hi"))
			require.Equal(t, test.output, reply.output())
			require.Equal(t, test.ended, reply.ended())
			require.IsType(t, []any{}, reply.body["output"], "never null")
			require.Equal(t, test.reason, b.get(b.conv(c, "")).body["end_reason"])
			require.Len(t, b.transcript(c), test.stored)
		})
	}
}

func TestPersonaSpeaksOnNullMissingAndEmptyInput(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{"input":null}`, `{}`, `{"input":[]}`, `{"unknown":1}`} {
		b := setup(t, sim.Config{Player: chatty}, sim.Setup{Conversations: 1})
		c := b.conversations(0)[0]
		b.post(b.conv(c, "/responses"), body)
		require.Equal(t, []string{"user: persona 0"}, b.transcript(c), body)
		b.post(b.conv(c, "/responses"), body)
		require.Equal(t, []string{"user: persona 0", "user: persona 1"}, b.transcript(c), body)
	}
}

func TestStates(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{Player: chatty}, sim.Setup{Conversations: 2})
	c, implicit := b.conversations(0)[0], b.conversations(0)[1]
	status := func(id string) any { return b.get(b.conv(id, "")).body["status"] }

	require.Equal(t, 400, b.call("POST", b.conv(c, "/end"), nil).status, "not started yet")
	b.post(b.conv(c, "/start"), nil)
	require.Equal(t, "in_progress", status(c))
	twice := b.call("POST", b.conv(c, "/start"), nil)
	require.Equal(t, 409, twice.status)
	require.IsType(t, "", twice.detail())
	b.post(b.conv(c, "/end"), nil)
	require.Equal(t, "ended", status(c))
	require.Equal(t, "agent_decided", b.get(b.conv(c, "")).body["end_reason"])
	for _, path := range []string{"/end", "/responses"} {
		a := b.call("POST", b.conv(c, path), says("more"))
		require.Equal(t, 400, a.status, path)
		require.IsType(t, "", a.detail(), path)
	}
	require.Equal(t, 409, b.call("POST", b.conv(c, "/start"), nil).status)

	b.post(b.conv(implicit, "/responses"), says("hi"))
	require.Equal(t, "in_progress", status(implicit), "responses starts it")
}

func TestConversationTouchedOnlyWhenItChanges(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{Player: chatty}, sim.Setup{Conversations: 1})
	c := b.conversations(0)[0]
	b.clock.advance(time.Minute)
	b.post(b.conv(c, "/start"), nil)
	updated := b.get(b.conv(c, "")).body["updated_at"]
	require.Equal(t, "2025-09-20T09:01:00.500000", updated)
	b.clock.advance(time.Minute)
	b.post(b.conv(c, "/responses"), says("hi"))
	require.Equal(t, updated, b.get(b.conv(c, "")).body["updated_at"])
	require.Equal(t, "2025-09-20T09:02:00.500000", first(b.post(b.conv(c, "/items"), nil))["created_at"])
}

func TestPersonaFailureStoresNothing(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	b := setup(t, sim.Config{Player: playerFunc(func(context.Context, sim.PersonaTurn) (string, bool, error) {
		if calls.Add(1) == 1 {
			return "", false, errors.New("model overloaded")
		}
		return "hello", false, nil
	})}, sim.Setup{Conversations: 1})
	c := b.conversations(0)[0]
	b.post(b.conv(c, "/start"), nil)
	a := b.call("POST", b.conv(c, "/responses"), says("hi"))
	require.Equal(t, 500, a.status)
	require.Nil(t, a.body, "plain text, not JSON")
	require.NotContains(t, a.text, "overloaded")
	require.Empty(t, b.transcript(c))
	b.post(b.conv(c, "/responses"), says("hi"))
	require.Len(t, b.transcript(c), 2)
	require.Zero(t, b.Report().Totals.Duplicates, "sent twice, stored once")
	require.Contains(t, b.Events(c)[1].Detail, "model overloaded")
}

func TestClaimIsAtomic(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{}, sim.Setup{Conversations: 1})
	path := b.conv(b.conversations(0)[0], "/start")
	var won, lost atomic.Int32
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			switch b.do(t.Context(), "POST", path, nil).status {
			case 200:
				won.Add(1)
			case 409:
				lost.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, won.Load())
	require.EqualValues(t, 99, lost.Load())
	require.Equal(t, 99, b.Report().Totals.Status409)
}

func TestPaging(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{}, sim.Setup{Conversations: 25, Simulations: 13})
	all := b.conversations(0)
	slices.Reverse(all)
	for name, test := range map[string]struct {
		query string
		want  []string
		more  bool
	}{
		"Default":    {"", all[:10], true},
		"Second":     {"?offset=10", all[10:20], true},
		"Last":       {"?offset=20", all[20:], false},
		"Exact":      {"?limit=25", all, false},
		"Beyond":     {"?offset=99", nil, false},
		"LargeLimit": {"?limit=100&offset=5", all[5:], false},
		"Ignored":    {"?sort_by=status&sort_dir=asc&limit=2", all[:2], true},
		"Queued":     {"?status=queued&limit=1", all[:1], true},
		"NoStatus":   {"?status=no_such_status", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page := b.get(b.sim(0, "/conversations"+test.query))
			require.Equal(t, test.want, page.ids())
			require.Equal(t, test.more, page.body["has_more"])
			require.NotNil(t, page.body["data"], "an empty list, not null")
		})
	}
	sims := slices.Clone(b.seeded.SimulationIDs)
	slices.Reverse(sims)
	for name, test := range map[string]struct {
		query string
		want  []string
		more  bool
	}{
		"Default":       {"", sims[:10], true},
		"Oldest":        {"?sort_dir=asc&limit=2", b.seeded.SimulationIDs[:2], true},
		"NoSuchOrder":   {"?sort_dir=down&limit=2", b.seeded.SimulationIDs[:2], true},
		"NoSuchField":   {"?sort_by=color&limit=2", sims[:2], true},
		"ByName":        {"?sort_by=name&sort_dir=asc&limit=2", []string{b.seeded.SimulationIDs[0], b.seeded.SimulationIDs[9]}, true},
		"Agent":         {"?agent_id=" + b.seeded.AgentID + "&limit=1", sims[:1], true},
		"OtherAgent":    {"?agent_id=nobody", nil, false},
		"Status":        {"?status=in_progress&limit=1", sims[:1], true},
		"UnknownStatus": {"?status=strange", nil, false},
		"Name":          {"?name=DESK%2013", sims[:1], false},
	} {
		t.Run("Simulations"+name, func(t *testing.T) {
			t.Parallel()
			page := b.get(b.q("/v1/simulations" + test.query))
			require.Equal(t, test.want, page.ids())
			require.Equal(t, test.more, page.body["has_more"])
		})
	}
	personas := b.get(b.sim(0, "/personas?limit=1"))
	require.Len(t, personas.data(), len(sim.Builtin().Personas), "personas have no pages")
	require.Equal(t, false, personas.body["has_more"])
	require.Greater(t, first(personas)["seq_id"], personas.data()[1]["seq_id"], "newest first")
}

func TestClientGoneAnswerCommitted(t *testing.T) {
	t.Parallel()
	asked, release := make(chan struct{}), make(chan struct{})
	b := setup(t, sim.Config{Player: playerFunc(func(ctx context.Context, _ sim.PersonaTurn) (string, bool, error) {
		close(asked)
		<-release
		return "here is my answer", false, ctx.Err()
	})}, sim.Setup{Conversations: 1})
	c := b.conversations(0)[0]
	finished := make(chan struct{}, 8)
	gone := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		context.AfterFunc(r.Context(), func() { close(gone) })
		b.handler.ServeHTTP(w, r)
		finished <- struct{}{}
	}))
	defer server.Close()

	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "POST", server.URL+b.conv(c, "/responses"),
		strings.NewReader(`{"input":[{"type":"message","content":[{"type":"text","text":"hi"}]}]}`))
	require.NoError(t, err)
	req.Header.Set("X-Api-Key", testKey)
	go func() {
		<-asked
		cancel()
		<-gone // the server has noticed, and goes on
		close(release)
	}()
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err == nil {
		require.NoError(t, resp.Body.Close())
	}
	require.ErrorIs(t, err, context.Canceled)
	<-finished
	require.Equal(t, []string{"assistant: hi", "user: here is my answer"}, b.transcript(c))
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

func TestConcurrentCallsAreSerialised(t *testing.T) {
	t.Parallel()
	first, release := make(chan struct{}), make(chan struct{})
	var calls atomic.Int32
	b := setup(t, sim.Config{Lenient: sim.Lenient{Turns: true}, Player: playerFunc(func(_ context.Context, turn sim.PersonaTurn) (string, bool, error) {
		if calls.Add(1) == 1 {
			close(first)
			<-release
		}
		return fmt.Sprintf("heard %d", len(turn.Messages)), false, nil
	})}, sim.Setup{Conversations: 1})
	c := b.conversations(0)[0]
	b.post(b.conv(c, "/start"), nil)
	var wg sync.WaitGroup
	wg.Go(func() { b.do(t.Context(), "POST", b.conv(c, "/responses"), says("one")) })
	<-first
	wg.Go(func() { b.do(t.Context(), "POST", b.conv(c, "/responses"), says("two")) })
	require.Equal(t, "in_progress", b.get(b.conv(c, "")).body["status"], "reading does not wait")
	close(release)
	wg.Wait()
	require.Equal(t, []string{"assistant: one", "user: heard 1", "assistant: two", "user: heard 3"}, b.transcript(c))
}

func TestLatencyIsDrawnFromTheSeed(t *testing.T) {
	t.Parallel()
	measure := func(seed int64) (spans []time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			b := setup(t, sim.Config{
				Player: chatty, Seed: seed, Clock: time.Now, Latency: sim.Latency{Min: 200 * time.Millisecond, Max: 800 * time.Millisecond},
			}, sim.Setup{Conversations: 1, MaxTurns: 40})
			c := b.conversations(0)[0]
			for i := range 8 {
				began := time.Now()
				b.post(b.conv(c, "/responses"), says(fmt.Sprint(i)))
				spans = append(spans, time.Since(began))
			}
			require.NoError(t, b.Close())
		})
		return spans
	}
	one := measure(1)
	for _, d := range one {
		require.GreaterOrEqual(t, d, 200*time.Millisecond)
		require.LessOrEqual(t, d, 800*time.Millisecond)
	}
	require.Greater(t, slices.Max(one), slices.Min(one))
	require.Equal(t, one, measure(1))
	require.NotEqual(t, one, measure(2))
}

func TestCloseInterruptsThinking(t *testing.T) {
	t.Parallel()
	thinking := make(chan struct{})
	b := setup(t, sim.Config{Player: playerFunc(func(ctx context.Context, _ sim.PersonaTurn) (string, bool, error) {
		close(thinking)
		<-ctx.Done()
		return "too late", false, nil
	})}, sim.Setup{Conversations: 1})
	c := b.conversations(0)[0]
	var a answer
	var wg sync.WaitGroup
	wg.Go(func() { a = b.do(t.Context(), "POST", b.conv(c, "/responses"), says("hi")) })
	<-thinking
	require.NoError(t, b.Close())
	wg.Wait()
	require.Zero(t, a.status, "cut off, as by a restart")
	require.Empty(t, b.transcript(c))
}

// Many workers act at once; their results must add up.
func TestManyWorkers(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{
		Lenient: sim.Lenient{Turns: true},
		Latency: sim.Latency{Max: time.Millisecond}, Faults: sim.Faults{ErrorRate: 0.1, LostAnswerRate: 0.1, MalformedRate: 0.1},
	}, sim.Setup{Conversations: 40, MaxTurns: 8})
	require.NoError(t, b.SetFaults(sim.Faults{}))
	all := b.conversations(0)
	require.NoError(t, b.SetFaults(sim.Faults{ErrorRate: 0.1, LostAnswerRate: 0.1, MalformedRate: 0.1}))
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range all {
				c := all[(i*7+worker*10)%len(all)]
				b.do(t.Context(), "POST", b.conv(c, "/start"), nil)
				for turn := range 10 {
					b.do(t.Context(), "POST", b.conv(c, "/responses"), says(fmt.Sprintf("worker %d, turn %d", worker, turn)))
					b.do(t.Context(), "POST", b.conv(c, "/items"), nil)
				}
				b.do(t.Context(), "GET", b.sim(0, "/conversations?status=queued"), nil)
				b.do(t.Context(), "POST", b.conv(c, "/end"), nil)
				b.Report()
			}
		})
	}
	wg.Wait()
	require.NoError(t, b.SetFaults(sim.Faults{}))
	for _, c := range all {
		b.call("POST", b.conv(c, "/end"), nil)
	}
	require.NoError(t, b.Wait(t.Context()))
	report := b.Report()
	require.Equal(t, map[string]int{"ended": len(all)}, report.Simulations[0].Conversations)
	for _, c := range report.Conversations {
		accepted := 0
		for _, e := range b.Events(c.ID) {
			accepted += e.Accepted
		}
		require.Equal(t, c.AgentMessages, accepted)
		require.Len(t, b.transcript(c.ID), c.AgentMessages+c.PersonaMessages)
		require.LessOrEqual(t, c.AgentMessages+c.PersonaMessages, 8+1)
	}
}
