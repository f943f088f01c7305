//go:build unix

package mcp_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/lease"
	"github.com/parley-run/parley/internal/logtest"
	"github.com/parley-run/parley/internal/program"
	"github.com/parley-run/parley/tools/mcp"
	"github.com/parley-run/parley/tools/toolstest"
)

// A program that writes without end is replaced: its calls fail, and the next ones, of
// whatever conversation, are answered by another.
func TestFloodsOfOutput(t *testing.T) {
	t.Parallel()
	for tool, want := range map[string]string{
		"endless_line":     "the program wrote a line of more than 64 MiB",
		"endless_junk":     "the program wrote more than 10000 lines within a minute that answer nothing",
		"endless_blanks":   "the program wrote more than 10000 lines within a minute that answer nothing",
		"endless_messages": "the program wrote more than 10000 lines within a minute that answer nothing",
	} {
		t.Run(tool, func(t *testing.T) {
			t.Parallel()
			var log logtest.Buffer
			s := newProgram(t, func(c *mcp.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) }, "server")
			first := call(t, s, "pid").Content
			err := failing(t, s, tool)
			require.Equal(t, conversation.Unavailable, err.Kind)
			require.True(t, err.Ambiguous)
			require.ErrorContains(t, err, want)
			require.NotEqual(t, first, callUntil(t, s, "pid"))
			require.NoError(t, s.Close())
			require.Less(t, len(log.String()), 2*program.LogBytes+64<<10)
		})
	}
}

// A program that floods its standard error is only left out of the log.
func TestFloodOfErrors(t *testing.T) {
	t.Parallel()
	var log logtest.Buffer
	s := newProgram(t, func(c *mcp.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) }, "server")
	first := call(t, s, "pid").Content
	require.Equal(t, "done", call(t, s, "complain_much").Content)
	require.Equal(t, first, call(t, s, "pid").Content)
	require.NoError(t, s.Close())
	require.Less(t, len(log.String()), 2*program.LogBytes+64<<10)
	require.Contains(t, log.String(), "lines were left out of the log")
}

type holder struct{ err error }

func (h holder) Hold(context.Context) error { return h.err }

// An attempt that may not act any more calls no tool, and spoils nothing for others.
func TestNothingIsSentWithoutALease(t *testing.T) {
	t.Parallel()
	gone := &conversation.Error{Kind: conversation.Unavailable, Op: "lease", Err: errors.New("another attempt may be running")}
	for name, s := range map[string]*mcp.Set{
		"Program": newProgram(t, nil, "server"),
		"Server":  visit(t, newSite(t, false, nil).URL, nil),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, "hello", call(t, s, toolstest.Echo).Content)
			version := s.Version()
			_, err := s.Call(lease.With(t.Context(), holder{gone}), toolstest.Make(toolstest.Echo, "k", "hello"))
			var got *conversation.Error
			require.ErrorAs(t, err, &got)
			require.Equal(t, conversation.Unavailable, got.Kind)
			require.False(t, got.Ambiguous)
			require.ErrorContains(t, err, "another attempt may be running")
			result, err := s.Call(lease.With(t.Context(), holder{}), toolstest.Make(toolstest.Echo, "k", "hello"))
			require.NoError(t, err)
			require.Equal(t, "hello", result.Content)
			require.Equal(t, version, s.Version(), "it is the same connection")
		})
	}
}

// A caller whose call is not answered in time gets its error then.
func TestFloodDoesNotHoldUpOthers(t *testing.T) {
	t.Parallel()
	s := newProgram(t, nil, "server")
	call(t, s, "pid")
	flooded := make(chan error, 1)
	go func() {
		_, err := s.Call(t.Context(), toolstest.Make("endless_line", "k", "x"))
		flooded <- err
	}()
	for range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		_, err := s.Call(ctx, toolstest.Make(toolstest.Echo, "k", strings.Repeat("x", 100)))
		require.NoError(t, ctx.Err())
		cancel()
		require.True(t, err == nil || conversation.IsKind(err, conversation.Unavailable), "%v", err)
	}
	require.Error(t, <-flooded)
}

// A line that does not end delays no call that is made later: another program answers it.
func TestUnfinishedLineHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	s := newProgram(t, nil, "odd", "")
	first := call(t, s, "pid").Content
	ctx, cancel := context.WithCancel(t.Context())
	stuck := make(chan error, 1)
	go func() {
		_, err := s.Call(ctx, toolstest.Make("trickle", "k", "x"))
		stuck <- err
	}()
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		result, err := s.Call(ctx, toolstest.Make("pid", "k", "x"))
		return err == nil && result.Content != first
	}, patience, time.Millisecond)
	select {
	case err := <-stuck:
		require.Fail(t, "its program was stopped although it may go on", "%v", err)
	default:
	}
	cancel()
	var ce *conversation.Error
	require.ErrorAs(t, <-stuck, &ce)
	require.True(t, ce.Ambiguous)
}
