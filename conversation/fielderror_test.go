package conversation_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
)

func TestFieldErrorIsOneLine(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]conversation.FieldError{
		"base_url is empty: set it":     {Field: "base_url", Text: "is empty", Remedy: "set it"},
		"servers[2].url is empty":       {Field: "servers[2].url", Text: "is empty"},
		"nothing works: ask for help":   {Text: "nothing works", Remedy: "ask for help"},
		"there is no ledger to keep it": {Text: "there is no ledger to keep it"},
	} {
		require.EqualError(t, &e, want)
	}
}

func TestExplainTakesTheRemedyApart(t *testing.T) {
	t.Parallel()
	inner := &conversation.Error{Op: "post", Err: errors.New("401 (really)"), Remedy: "set the key"}
	for name, tc := range map[string]struct {
		err                error
		text, remedy, full string
	}{
		"None":    {errors.New("away (for now)"), "away (for now)", "", "away (for now)"},
		"Own":     {inner, "post: 401 (really)", "set the key", "post: 401 (really) (set the key)"},
		"Wrapped": {fmt.Errorf("main: %w", inner), "main: post: 401 (really)", "set the key", "main: post: 401 (really) (set the key)"},
		"Outer": {&conversation.Error{Op: "turn", Err: inner, Remedy: "resume it"}, "turn: post: 401 (really)", "resume it",
			"turn: post: 401 (really) (resume it)"},
		"OfTheCause": {&conversation.Error{Op: "turn", Err: inner}, "turn: post: 401 (really)", "set the key",
			"turn: post: 401 (really) (set the key)"},
		"Between": {&conversation.Error{Op: "turn", Err: fmt.Errorf("try 2: %w", inner), Remedy: "resume it"}, "turn: try 2: post: 401 (really)", "resume it",
			"turn: try 2: post: 401 (really) (resume it)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, remedy := conversation.Explain(tc.err)
			require.Equal(t, tc.text, text)
			require.Equal(t, tc.remedy, remedy)
			require.EqualError(t, tc.err, tc.full)
		})
	}
}
