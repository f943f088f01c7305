package main

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
)

func TestFindingText(t *testing.T) {
	t.Parallel()
	require.Equal(t, "✓ Temporal: localhost:7233\n", findingText(finding{Check: "Temporal", State: checkFine, Detail: "localhost:7233"}))
	require.Equal(t, "– workers\n", findingText(finding{Check: "workers", State: checkSkipped}))
	require.Equal(t, "✗ key: wrong\n    → set another\n", findingText(finding{Check: "key", State: checkWrong, Detail: "wrong", Remedy: "set another"}))
}

func TestWrongPutsTheRemedyApart(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err            error
		detail, remedy string
	}{
		"Error":       {&conversation.Error{Op: "onerun: list", Err: errors.New("401 (really)"), Remedy: "set another"}, "onerun: list: 401 (really)", "set another"},
		"Wrapped":     {fmt.Errorf("main: %w", &conversation.Error{Op: "list", Err: errors.New("401"), Remedy: "set another"}), "main: list: 401", "set another"},
		"Parentheses": {errors.New("temporal: no server at x: refused (start one)"), "no server at x: refused", "start one"},
		"Setting":     {errors.New("the server was not ready within 2s (connect_timeout)"), "the server was not ready within 2s (connect_timeout)", ""},
		"None":        {errors.New("plain"), "plain", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := wrong("x", tt.err)
			require.Equal(t, tt.detail, f.Detail)
			require.Equal(t, tt.remedy, f.Remedy)
			require.Equal(t, checkWrong, f.State)
		})
	}
}

func TestSplitTakesJoinedErrorsApart(t *testing.T) {
	t.Parallel()
	a, b, c := errors.New("a"), errors.New("b"), errors.New("c")
	require.Equal(t, []error{a, b, c}, split(errors.Join(a, errors.Join(b, c))))
	require.Equal(t, []error{a}, split(a))
}
