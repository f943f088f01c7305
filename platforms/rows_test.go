package platforms_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/platforms"
)

func TestRowErrors(t *testing.T) {
	t.Parallel()
	odd := &platforms.RowError{ID: "c", Simulation: "s", Err: errors.New("summary is a number")}
	gone := &platforms.RowError{Simulation: "t", Err: errors.New("422")}
	away := errors.New("connection refused")
	wrapped := fmt.Errorf("%w, %w", errors.New("a"), errors.New("b"))

	for name, c := range map[string]struct {
		err  error
		rows []*platforms.RowError
		rest string
	}{
		"none":        {},
		"one row":     {err: odd, rows: []*platforms.RowError{odd}},
		"rows":        {err: errors.Join(odd, errors.Join(gone)), rows: []*platforms.RowError{odd, gone}},
		"the whole":   {err: away, rest: "connection refused"},
		"both":        {err: errors.Join(odd, away), rows: []*platforms.RowError{odd}, rest: "connection refused"},
		"other joins": {err: wrapped, rest: "a, b"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rows, rest := platforms.RowErrors(c.err)
			require.Equal(t, c.rows, rows)
			if c.rest == "" {
				require.NoError(t, rest)
			} else {
				require.EqualError(t, rest, c.rest)
			}
		})
	}
	require.EqualError(t, odd, `conversation "c" of simulation "s": summary is a number`)
	require.EqualError(t, gone, `simulation "t": 422`)
}
