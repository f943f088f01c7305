package connect_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"

	"github.com/parley-run/parley/internal/connect"
)

func TestAwait(t *testing.T) {
	t.Parallel()
	away := &connect.Error{Reason: connect.ErrUnreachable, Text: "away"}
	for _, test := range []struct {
		name  string
		errs  []error // of one call after the other; the last again and again
		wait  time.Duration
		want  error
		calls int
		took  time.Duration
	}{
		{"ThereAtOnce", []error{nil}, time.Minute, nil, 1, 0},
		{"BackSoon", []error{away, away, nil}, time.Minute, nil, 3, 750 * time.Millisecond},
		{"Busy", []error{serviceerror.NewUnavailable("starting"), nil}, time.Minute, nil, 2, 250 * time.Millisecond},
		{"NeverBack", []error{away}, 2 * time.Second, away, 5, 2 * time.Second},
		{"NoWait", []error{away}, -1, away, 1, 0},
		{"Final", []error{connect.ErrNamespace}, time.Minute, connect.ErrNamespace, 1, 0},
		{"WrongTLS", []error{&connect.Error{Reason: errors.Join(connect.ErrUnreachable, connect.ErrInsecure)}}, time.Minute, connect.ErrInsecure, 1, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				calls, said := 0, 0
				began := time.Now()
				err := connect.Await(t.Context(), test.wait, func(error) { said++ }, func(context.Context) error {
					calls++
					return test.errs[min(calls, len(test.errs))-1]
				})
				require.ErrorIs(t, err, test.want)
				require.Equal(t, test.calls, calls)
				require.Equal(t, test.took, time.Since(began))
				require.Equal(t, min(calls-1, 1), said)
			})
		})
	}
}
