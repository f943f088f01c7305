package joined_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/joined"
)

func TestErrors(t *testing.T) {
	t.Parallel()
	one, two, three := errors.New("one"), errors.New("two"), errors.New("three\nlines")
	around := fmt.Errorf("around: %w", errors.Join(one, two))
	both := fmt.Errorf("%w: %w", one, two)
	for name, tt := range map[string]struct {
		err  error
		want []error
	}{
		"none":               {nil, nil},
		"one":                {one, []error{one}},
		"joined":             {errors.Join(one, two), []error{one, two}},
		"joined within":      {errors.Join(errors.Join(one, two), errors.Join(three)), []error{one, two, three}},
		"with text around":   {around, []error{around}},
		"several in a text":  {both, []error{both}},
		"texts among joined": {errors.Join(around, both, one), []error{around, both, one}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, joined.Errors(tt.err))
		})
	}
}

type fault struct{ text string }

func (f *fault) Error() string { return f.text }

func TestAs(t *testing.T) {
	t.Parallel()
	one, two := &fault{"one"}, &fault{"two"}
	other := func(err error) *fault { return &fault{"other: " + err.Error()} }
	odd := errors.New("odd")
	for name, tt := range map[string]struct {
		err  error
		want []*fault
	}{
		"none":           {nil, nil},
		"one":            {one, []*fault{one}},
		"wrapped":        {fmt.Errorf("around: %w", one), []*fault{one}},
		"joined":         {errors.Join(one, odd, two), []*fault{one, {"other: odd"}, two}},
		"joined, around": {fmt.Errorf("around: %w", errors.Join(one, errors.Join(two))), []*fault{one, two}},
		"another":        {fmt.Errorf("around: %w", odd), []*fault{{"other: around: odd"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, joined.As(tt.err, other))
		})
	}
	require.Equal(t, "one; two", joined.Line(errors.Join(one, two)))
}
