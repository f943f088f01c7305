package modelcall_test

import (
	"context"
	"errors"
	"io"
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

func TestStreamOver(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	live := func() context.Context { return context.Background() }
	cancelled := func() context.Context {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		return ctx
	}
	late := func() context.Context {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(&modelcall.TimeoutError{})
		return ctx
	}
	for name, tc := range map[string]struct {
		ctx      func() context.Context
		err      error
		finished bool
		over     bool
		want     error
	}{
		"by its marker":                 {ctx: live},
		"by its last byte":              {ctx: live, err: io.EOF},
		"broken":                        {ctx: live, err: broken, over: true, want: broken},
		"broken once it is finished":    {ctx: live, err: broken, finished: true, over: true},
		"too large":                     {ctx: live, err: modelcall.ErrTooLarge, finished: true, over: true, want: modelcall.ErrTooLarge},
		"the caller ended the call":     {ctx: cancelled, err: broken, finished: true, over: true, want: context.Canceled},
		"a timer ended the call":        {ctx: late, err: broken, over: true, want: context.Canceled},
		"a timer, once it is finished":  {ctx: late, err: broken, finished: true, over: true},
		"a timer as it ended in order":  {ctx: late, err: io.EOF, over: true, want: context.Canceled},
		"the caller as it ended at all": {ctx: cancelled, over: true, want: context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			over, err := modelcall.StreamOver(tc.ctx(), tc.err, tc.finished)
			require.Equal(t, tc.over, over)
			require.ErrorIs(t, err, tc.want)
		})
	}
}
