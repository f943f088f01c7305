package openai_test

import (
	"testing"
	"time"

	"github.com/parley-run/parley/executors/internal/modeltest"
)

// Servers say a role before the model has begun, and some keep the connection when
// it has ended.
func TestTimers(t *testing.T) {
	t.Parallel()
	var (
		after    = modeltest.After
		role     = chat.Begin[0]
		hello    = chat.Delta("Hello")
		trickles []modeltest.Step
	)
	for range 100 {
		trickles = append(trickles, after(20*time.Second, role))
	}
	for name, c := range map[string]struct {
		steps []modeltest.Step
		after time.Duration
		want  string
	}{
		"TricklingRoles": {trickles, 90 * time.Second, "first_token_timeout"},
		"DoneIsTheEnd":   {[]modeltest.Step{after(89*time.Second, hello), after(29*time.Second, "data: "+chunk(nil, "stop")), after(0, "data: [DONE]")}, 118 * time.Second, ""},
	} {
		chat.Timed(t, name, c.steps, c.after, c.want)
	}
}
