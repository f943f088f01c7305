package main

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/config"
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

// An agent that names tools, and who speaks for it is never told of them.
func TestExamineUse(t *testing.T) {
	t.Parallel()
	listed := []executors.Listing{{Name: "model", Tools: true}, {Name: "http"}, {Name: "chain", Tools: true}, {Name: "script"}}
	for name, tt := range map[string]struct {
		speakers []string
		tools    []string
		want     checkState // empty: nothing is found
		detail   string
	}{
		"Model":     {[]string{"model"}, []string{"shop"}, "", ""},
		"NoTools":   {[]string{"http"}, nil, "", ""},
		"Own":       {[]string{"http"}, []string{"shop"}, checkWrong, "never told to http"},
		"AllOwn":    {[]string{"http", "script"}, []string{"shop/find"}, checkWrong, "never told to http, script"},
		"OneOfTwo":  {[]string{"chain", "model", "http"}, []string{"shop"}, checkSkipped, "never told to http, should it speak"},
		"Auto":      {[]string{executors.Auto}, []string{"shop"}, checkSkipped, "never told to http, script, should it speak"},
		"NotListed": {[]string{"elsewhere"}, []string{"shop"}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			agent := config.Agent{Name: "desk", Policy: conversation.Policy{Tools: tt.tools}}
			found := examineUse(listed, []config.Agent{agent}, func(config.Agent) []string { return tt.speakers })
			if tt.want == "" {
				require.Empty(t, found)
				return
			}
			require.Len(t, found, 1)
			require.Equal(t, "tools of agent desk", found[0].Check)
			require.Equal(t, tt.want, found[0].State)
			require.Equal(t, tt.detail, found[0].Detail)
			require.Contains(t, found[0].Remedy, "agents.desk.tools")
		})
	}
}
