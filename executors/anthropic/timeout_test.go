package anthropic_test

import (
	"testing"
	"time"

	"github.com/parley-run/parley/executors/internal/modeltest"
)

// The first token is a piece of an answer, and no sign that one may come.
func TestTimers(t *testing.T) {
	t.Parallel()
	after := modeltest.After
	var pings []modeltest.Step
	for range 100 {
		pings = append(pings, after(20*time.Second, ping))
	}
	var staysOpen []modeltest.Step
	for _, e := range reply("end_turn", "Hello") {
		staysOpen = append(staysOpen, after(time.Second, e))
	}
	for name, c := range map[string]struct {
		steps []modeltest.Step
		after time.Duration
		want  string
	}{
		"OnlyStarted":     {[]modeltest.Step{after(time.Second, start)}, 90 * time.Second, "first_token_timeout"},
		"OnlyABlock":      {[]modeltest.Step{after(time.Second, start), after(time.Second, blockStart)}, 90 * time.Second, "first_token_timeout"},
		"OnlyPings":       {pings, 90 * time.Second, "first_token_timeout"},
		"StaysOpen":       {staysOpen, 7 * time.Second, ""},
		"StaysOpenEarly":  {staysOpen[:6], 36 * time.Second, ""}, // before message_stop
		"StallsWithPings": {append([]modeltest.Step{after(time.Second, delta("Hello"))}, pings...), 4 * time.Minute, "the answer was not complete within 4m0s (timeout)"},
	} {
		vendor.Timed(t, name, c.steps, c.after, c.want)
	}
}
