package command_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/command"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/internal/lease"
	"github.com/parley-run/parley/internal/logtest"
	"github.com/parley-run/parley/internal/program"
)

// A program that writes without end is stopped, whatever it writes, and fails only
// those that wait for it.
func TestFloods(t *testing.T) {
	t.Parallel()
	const flooded = "the program wrote more than 10000 lines within a minute that answer nothing"
	for name, c := range map[string]struct{ piece, want string }{
		"Line":       {strings.Repeat("x", 64<<10), "the answer is larger than allowed"},
		"BlankLines": {"\n", flooded},
		"Handshakes": {`{"ready": true}` + "\n", flooded},
		"Unasked":    {`{"id": "4711", "delta": "x"}` + "\n", flooded},
		"Deltas":     {`{"id": "1", "delta": "` + strings.Repeat("x", 1000) + `"}` + "\n", "the answer is larger than allowed"},
		"Empty":      {`{"id": "1", "delta": ""}` + "\n", "the server sends more than an answer can need"},
		"Progress":   {`{"id": "1", "usage": {"input_tokens": 1}}` + "\n", "the server sends more than an answer can need"},
		"Tokens":     {`{"id": "1", "attach": "` + strings.Repeat("x", 5000) + `"}` + "\n", "at most 4096 are allowed"},
		"NoJSON":     {"loading\n", "the answer is not a JSON object"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log logtest.Buffer
			e := newExecutor(t, func(cfg *command.Config) {
				multiplexed(cfg)
				cfg.Logger = logger(&log)
			}, "floods", c.piece)
			_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
			require.ErrorContains(t, err, c.want)
			require.NoError(t, e.Close())
			require.Less(t, len(log.String()), program.LogBytes)
		})
	}
}

// A program that is started anew for each request has one log for all: what it complains
// about at each start does not add up.
func TestLogIsBoundedAcrossStarts(t *testing.T) {
	t.Parallel()
	var log logtest.Buffer
	e := newExecutor(t, func(cfg *command.Config) { cfg.Logger = logger(&log) }, "crashes", "\n"+strings.Repeat("a traceback\n", program.LogLines/2))
	for range 6 {
		_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
		require.Error(t, err)
	}
	require.NoError(t, e.Close())
	require.LessOrEqual(t, strings.Count(log.String(), "line=\"a traceback"), program.LogLines)
	require.Contains(t, log.String(), "lines were left out of the log")
}

type holder struct{ err error }

func (h holder) Hold(context.Context) error { return h.err }

// An attempt that may not act any more writes nothing, and its program goes on.
func TestNothingIsWrittenWithoutALease(t *testing.T) {
	t.Parallel()
	e := newExecutor(t, nil, "pid")
	first := ask(t, e, "c1")
	gone := &conversation.Error{Kind: conversation.Unavailable, Op: "lease: another attempt may be running"}
	_, err := e.Execute(lease.With(t.Context(), holder{gone}), executortest.Request("c1", "Hi"))
	var got *conversation.Error
	require.ErrorAs(t, err, &got)
	require.Equal(t, conversation.Unavailable, got.Kind)
	require.False(t, got.Ambiguous)
	require.Zero(t, got.Usage)
	require.ErrorContains(t, err, "another attempt may be running")
	_, err = e.Execute(lease.With(t.Context(), holder{}), executortest.Request("c1", "Hi"))
	require.NoError(t, err)
	require.Equal(t, first, ask(t, e, "c1"))
}
