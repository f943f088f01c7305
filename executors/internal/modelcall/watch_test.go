package modelcall_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/executors/internal/modelcall"
)

func TestWatch(t *testing.T) {
	t.Parallel()
	timers := modelcall.Timers{Total: time.Minute, FirstToken: 10 * time.Second, Gap: 5 * time.Second}
	for name, c := range map[string]struct {
		stream bool
		live   func(*modelcall.Watch)
		key    string
		after  time.Duration
	}{
		"Begins":        {true, func(*modelcall.Watch) {}, "first_token_timeout", 10 * time.Second},
		"Signs":         {true, func(w *modelcall.Watch) { w.Alive(false) }, "first_token_timeout", 10 * time.Second},
		"GoesOn":        {true, func(w *modelcall.Watch) { w.Alive(true) }, "gap_timeout", 5 * time.Second},
		"Whole":         {false, func(w *modelcall.Watch) { w.Alive(false) }, "timeout", time.Minute},
		"StreamsUnbid":  {false, func(w *modelcall.Watch) { w.Alive(true) }, "gap_timeout", 5 * time.Second},
		"Paused":        {true, func(w *modelcall.Watch) { w.Alive(true); w.Pause() }, "timeout", time.Minute},
		"PausedAndBack": {true, func(w *modelcall.Watch) { w.Pause(); w.Alive(true) }, "gap_timeout", 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, w := timers.Watch(t.Context(), c.stream)
				defer w.Stop()
				begun := time.Now()
				c.live(w)
				<-ctx.Done()
				var timeout *modelcall.TimeoutError
				require.ErrorAs(t, context.Cause(ctx), &timeout)
				require.Equal(t, c.key, timeout.Key)
				require.Equal(t, c.after, time.Since(begun))
			})
		})
	}
}
