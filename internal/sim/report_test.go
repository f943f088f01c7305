package sim_test

import (
	"encoding/json"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/sim"
)

func TestHints(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		calls []string // "start", "end", or what responses is given; "" is null input
		want  []sim.Hint
	}{
		"Careful":          {[]string{"start", "", "hello", "how can I help", "end"}, nil},
		"AgentFirst":       {[]string{"start", "hello", "hm", "hello", "end"}, nil},
		"StartedTwice":     {[]string{"start", "start"}, []sim.Hint{sim.HintStartedTwice}},
		"NotStarted":       {[]string{"hello", "more"}, []sim.Hint{sim.HintNotStarted}},
		"EndAfterEnd":      {[]string{"start", "end", "end"}, []sim.Hint{sim.HintEndAfterEnd}},
		"EndBeforeStart":   {[]string{"end"}, []sim.Hint{sim.HintEndBeforeStart}},
		"TalkAfterEnd":     {[]string{"start", "end", "hello"}, []sim.Hint{sim.HintResponsesAfterEnd}},
		"StartAfterEnd":    {[]string{"start", "end", "start"}, []sim.Hint{sim.HintStartedTwice}},
		"Duplicate":        {[]string{"start", "hello", "hello", "hello"}, []sim.Hint{sim.HintDuplicate, sim.HintDuplicate}},
		"AskedTwice":       {[]string{"start", "", ""}, []sim.Hint{sim.HintAskedTwice}},
		"AskedAgainLater":  {[]string{"start", "hello", ""}, []sim.Hint{sim.HintAskedTwice}},
		"Empty":            {[]string{"start", " "}, []sim.Hint{sim.HintEmpty}},
		"EmptyIsRepeating": {[]string{"start", " ", " "}, []sim.Hint{sim.HintEmpty, sim.HintEmpty}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, sim.Config{Player: chatty}, sim.Setup{Conversations: 1, MaxTurns: 50})
			c := b.conversations(0)[0]
			for _, call := range test.calls {
				switch call {
				case "start", "end":
					b.call("POST", b.conv(c, "/"+call), nil)
				case "":
					b.call("POST", b.conv(c, "/responses"), `{"input":null}`)
				default:
					b.call("POST", b.conv(c, "/responses"), says(call))
				}
			}
			var got []sim.Hint
			for _, e := range b.Events(c) {
				got = append(got, e.Hints...)
			}
			require.Equal(t, test.want, got)
			for _, h := range b.Report().Hints {
				require.NotEmpty(t, h.Text)
				require.Equal(t, c, h.ConversationID)
			}
		})
	}
}

func TestConcurrentHint(t *testing.T) {
	t.Parallel()
	for _, second := range []string{"/end", "/responses"} {
		synctest.Test(t, func(t *testing.T) {
			asked, release := make(chan struct{}, 3), make(chan struct{})
			b := setup(t, sim.Config{Player: blocking(asked, release), Lenient: sim.Lenient{Turns: true}}, sim.Setup{Conversations: 2})
			all := b.conversations(0)
			var wg sync.WaitGroup
			for _, c := range all { // at once, but not in the same conversation
				wg.Go(func() { b.do(t.Context(), "POST", b.conv(c, "/responses"), says("hi")) })
			}
			synctest.Wait()
			wg.Go(func() { b.do(t.Context(), "POST", b.conv(all[0], second), says("ho")) })
			synctest.Wait()
			close(release)
			wg.Wait()
			hints := b.Report().Hints
			require.Len(t, hints, 1+2, "and both talk without a start")
			hints = slices.DeleteFunc(hints, func(h sim.HintReport) bool { return h.Hint == sim.HintNotStarted })
			require.Equal(t, sim.HintConcurrent, hints[0].Hint)
			require.Equal(t, all[0], hints[0].ConversationID)
			require.NoError(t, b.Close())
		})
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{Player: chatty, Seed: 42}, sim.Setup{Conversations: 3, MaxTurns: 5})
	all := b.conversations(0)
	b.run(all[0], []string{"one", "two"})
	b.call("POST", b.conv(all[0], "/end"), nil)
	b.post(b.conv(all[1], "/start"), nil)
	b.call("POST", b.conv(all[1], "/start"), nil)
	b.post(b.conv(all[1], "/responses"), says("same"))
	b.post(b.conv(all[1], "/responses"), says("same"))

	var r sim.Report
	require.NoError(t, json.Unmarshal([]byte(b.get("/simulator/report").text), &r))
	require.EqualValues(t, 42, r.Seed)
	require.Equal(t, sim.Counts{
		Starts: 3, Responses: 5, Ends: 1, AgentMessages: 4, PersonaMessages: 5, Duplicates: 1, Status400: 1, Status409: 1,
	}, r.Totals)
	require.Len(t, r.Conversations, 3)
	one := r.Conversations[0]
	require.Equal(t, all[0], one.ID)
	require.Equal(t, sim.Builtin().Personas[0].Key, one.Persona)
	require.Equal(t, "max_turns_reached", one.EndReason)
	require.Equal(t, 2, one.AgentMessages)
	require.Equal(t, []sim.Hint{sim.HintEndAfterEnd}, one.Hints)
	require.Len(t, one.Scores, 3)
	require.Equal(t, 1, r.Conversations[1].Duplicates)
	s := r.Simulations[0]
	require.Equal(t, b.seeded.SimulationIDs[0], s.ID)
	require.Equal(t, map[string]int{"ended": 1, "in_progress": 1, "queued": 1}, s.Conversations)
	require.Equal(t, map[string]int{"max_turns_reached": 1}, s.EndReasons)
	require.Equal(t, 1, s.Evaluated)
	require.Equal(t, one.Scores, s.Scores)
	require.Equal(t, 3, r.Calls[sim.OpStart])
	require.Equal(t, 1, r.Statuses[409])

	events := b.get("/simulator/conversations/" + all[1] + "/events").data()
	require.Len(t, events, 4)
	require.Equal(t, "start", events[0]["op"])
	require.EqualValues(t, 409, events[1]["status"])
	require.EqualValues(t, 2, events[1]["call"])
	require.EqualValues(t, 1, events[2]["accepted"])
	require.Equal(t, []any{"duplicate_message"}, events[3]["hints"])
	require.Nil(t, b.Events("nobody"))
}
