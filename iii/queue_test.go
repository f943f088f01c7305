package iii_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/iiitest"
)

func TestEnqueue(t *testing.T) {
	t.Parallel()
	eachEra(t, func(t *testing.T, e *iiitest.Engine, era iii.Era) {
		w := connect(t, e, iii.Options{})
		var tries atomic.Int32
		done := make(chan string, 1)
		serve(t, e, w, "t::job", func(_ context.Context, call iii.Invocation) (any, error) {
			if tries.Add(1) < 3 {
				return nil, errors.New("later")
			}
			done <- string(call.Data)
			return nil, nil
		})
		if era == iii.EraA {
			_, err := w.RegisterTrigger(iii.QueueTrigger("default", "t::job"))
			require.NoError(t, err)
		}
		receipt, err := w.Enqueue(soon(t), "default", "t::job", map[string]int{"n": 7})
		require.NoError(t, err)
		require.Equal(t, era == iii.EraA, receipt == "", "receipt %q", receipt)
		require.Contains(t, <-done, `"n":7`)
		require.Equal(t, int32(3), tries.Load())

		d, err := w.Dialect(soon(t))
		require.NoError(t, err)
		require.Equal(t, min(era, iii.EraE), d.Era)
		if era > iii.EraA {
			_, err = w.Enqueue(soon(t), "nonesuch", "t::job", nil)
			require.True(t, iii.HasCode(err, iii.CodeEnqueue), "%v", err)
		}
	})
}
