package ui

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/records"
)

// timed adds a turn to a conversation.
func timed(r records.Record, reply records.Seconds) records.Record {
	r.Timeline = []records.Turn{{
		Number: 1, Began: began, Ended: began.Add(2 * time.Second), Reply: reply, Exchange: 0.5, Overhead: 0.1, Retrying: 0.2, Retries: 1, Executor: "gpt",
		Steps: []records.Step{
			{Kind: records.StepReply, Scheduled: began, Started: began, Ended: began.Add(time.Second), Attempts: 2, Failure: &records.StepFailure{Kind: conversation.Unavailable, Reason: "connection refused"}},
			{Kind: records.StepExchange, Scheduled: began, Started: began, Ended: began.Add(time.Second)},
			{Kind: records.StepTool, Scheduled: began, Ended: began.Add(time.Second), Tool: &records.StepToolInfo{CallID: "c", Tool: "lookup"}},
		},
	}}
	return r
}

// background reads what pages want, until the test ends.
func background(t *testing.T, r *rig) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.ui.site.library.run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

// eventually loads a page until it has a text.
func eventually(t *testing.T, r *rig, path, want string) string {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		text := r.get(t, path)
		if strings.Contains(text, want) {
			return text
		}
		require.True(t, time.Now().Before(deadline), "%s never has %q: %s", path, want, text)
	}
}

func TestTurnsAreBarsWithTheirSteps(t *testing.T) {
	t.Parallel()
	r := serve(t, newFake(timed(ended("main/p/1", "Ada"), 1)))
	text := r.get(t, "/conversation?id=main%2Fp%2F1")
	for _, want := range []string{"turn 1", `class="model"`, "model 1.0 s", "persona 500 ms", "retrying 200 ms", "2 attempts", "connection refused", "tool lookup"} {
		require.Contains(t, text, want)
	}
	require.NotContains(t, text, "style=", "the policy forbids it")
}

func TestLongWaitsLeaveTheRestReadable(t *testing.T) {
	t.Parallel()
	lanes := newLanes([]records.Turn{{Number: 1, Reply: 1, Waiting: 100_000, Overhead: 1}})
	require.Len(t, lanes[0].Bars, 3)
	end := 0
	for _, b := range lanes[0].Bars {
		require.Equal(t, end, b.X)
		end = b.X + b.Width
		require.Positive(t, b.Width)
	}
	require.LessOrEqual(t, end, laneWidth+1)
	require.Greater(t, lanes[0].Bars[0].Width, 300, "the reply is half of what is no wait")
}

func TestRunAndComparison(t *testing.T) {
	t.Parallel()
	var all []records.Record
	for i := range 6 {
		persona := fmt.Sprintf("Persona %d", i)
		good := timed(ended(fmt.Sprintf("main/p/a%d", i), persona), 1)
		bad := timed(ended(fmt.Sprintf("main/p/b%d", i), persona), 4)
		bad.Simulation, bad.Started = "sim_2", began.Add(time.Hour)
		if i == 3 {
			bad.Outcome, bad.EndedBy = conversation.OutcomeFailed, ""
		}
		all = append(all, good, bad)
	}
	r := serve(t, newFake(all...))
	require.Contains(t, r.get(t, "/run?simulation=sim_2"), "0 of 6", "nothing has been read yet")
	background(t, r)
	text := eventually(t, r, "/run?simulation=sim_2", "95 % within 4.0 s")
	for _, want := range []string{"5 ended by persona", "1 failed", "Persona 3", "unavailable"} {
		require.Contains(t, strings.ToLower(text), strings.ToLower(want))
	}
	runs := r.get(t, "/runs")
	require.Contains(t, runs, "sim_1")
	require.Contains(t, runs, "ag_1")

	compared := eventually(t, r, "/compare?a=simulation:sim_1&b=simulation:sim_2", "6 personas in both")
	require.Contains(t, compared, "1 worse")
	require.Contains(t, compared, "fails more")
	require.Contains(t, compared, `<span class="mark bad">worse</span>`, "replies are slower")
	require.Less(t, strings.Index(compared, "Persona 3"), strings.Index(compared, "Persona 0"), "the worst first")
	require.Contains(t, eventually(t, r, "/compare?a=simulation:sim_1&b=simulation:sim_1", "no difference"), "There is no difference")
	require.Contains(t, r.get(t, "/compare"), "sim_2", "the newest two by default")
	for _, path := range []string{"/run", "/run?simulation=none"} {
		res, _ := r.do(t, http.MethodGet, path, "")
		require.Equal(t, http.StatusNotFound, res.StatusCode, path)
	}
}

func TestMessagesAreSearched(t *testing.T) {
	t.Parallel()
	needle := ended("main/p/1", "Ada")
	needle.Messages[0].Text = "I lost my Grüner BIRD BATH yesterday"
	r := serve(t, newFake(needle, ended("main/p/2", "Grace"), parked("main/p/3")))
	text := r.get(t, "/?q=bird+bath")
	require.Contains(t, text, "Searched the messages of 0 of 3 conversations. The others are being read.")
	background(t, r)
	text = eventually(t, r, "/?q=bird+bath", "Searched the messages of 2 of 3")
	require.Contains(t, text, ">Ada</a>")
	require.NotContains(t, text, ">Grace</a>")
	require.Contains(t, text, "Grüner BIRD BATH yesterday", "where it was found")
}
