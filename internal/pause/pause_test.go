package pause_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/pause"
)

func TestFor(t *testing.T) {
	t.Parallel()
	stopped := errors.New("stopped")
	for name, tt := range map[string]struct {
		ends  time.Duration // of the context; zero: before
		waits time.Duration
		took  time.Duration
		err   error
	}{
		"passes":             {ends: time.Hour, waits: time.Minute, took: time.Minute},
		"ends before":        {ends: time.Minute, waits: time.Hour, took: time.Minute, err: stopped},
		"nothing to wait":    {ends: time.Minute},
		"negative":           {ends: time.Minute, waits: -time.Hour},
		"over already":       {waits: time.Hour, err: stopped},
		"over, nothing left": {err: stopped},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				if tt.ends == 0 {
					cancel(stopped)
				} else {
					time.AfterFunc(tt.ends, func() { cancel(stopped) })
				}
				began := time.Now()
				require.Equal(t, tt.err, pause.For(ctx, tt.waits))
				require.Equal(t, tt.took, time.Since(began))
			})
		})
	}
}
