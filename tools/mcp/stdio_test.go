//go:build unix

package mcp_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/logtest"
	"github.com/parley-run/parley/internal/program/programtest"
	"github.com/parley-run/parley/tools"
	"github.com/parley-run/parley/tools/mcp"
	"github.com/parley-run/parley/tools/toolstest"
)

// A program that is killed in the middle of a call fails that call, and another
// takes its place.
func TestKilledInTheMiddle(t *testing.T) {
	t.Parallel()
	s := newProgram(t, nil, "server")
	before := s.Version()
	first := call(t, s, "pid").Content
	err := failing(t, s, toolstest.Broken)
	require.Equal(t, conversation.Unavailable, err.Kind)
	require.True(t, err.Ambiguous)
	require.ErrorContains(t, err, "the program ended: exit status 3: out of memory: [redacted]")
	require.NotEqual(t, first, callUntil(t, s, "pid"))
	require.Greater(t, s.Version(), before, "another program may have other tools")
}

// callUntil calls until there is an answer: a program that has just died may be
// taken for alive once, and that is an error worth another try.
func callUntil(t *testing.T, s *mcp.Set, tool string) string {
	t.Helper()
	for {
		result, err := s.Call(t.Context(), toolstest.Make(tool, "k", "hello"))
		if err == nil {
			return result.Content
		}
		require.True(t, conversation.IsKind(err, conversation.Unavailable), "%v", err)
	}
}

// So does one that is killed between calls.
func TestKilledInBetween(t *testing.T) {
	t.Parallel()
	s := newProgram(t, nil, "server")
	pid, err := strconv.Atoi(call(t, s, "pid").Content)
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	require.NotEqual(t, strconv.Itoa(pid), callUntil(t, s, "pid"))
}

func TestPrograms(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "plain.txt"), []byte("x"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "script"), []byte("print()\n"), 0o700))
	for name, c := range map[string]struct {
		change  func(*mcp.Config)
		program string
		want    conversation.Kind
		text    string
	}{
		"Exits":         {nil, "exits", conversation.Unavailable, `mcp: connect "shop": the program ended: exit status 3: no licence: [redacted]`},
		"Mute":          {func(c *mcp.Config) { c.ConnectTimeout = 200 * time.Millisecond }, "mute", conversation.Unavailable, "the server was not ready within 200ms (connect_timeout)"},
		"NoProgram":     {func(c *mcp.Config) { c.Command = []string{"no-such-program-anywhere"} }, "", conversation.Invalid, "check command and dir"},
		"NoDir":         {func(c *mcp.Config) { c.Dir = filepath.Join(dir, "none") }, "", conversation.Invalid, "is no directory"},
		"NotExecutable": {func(c *mcp.Config) { c.Dir, c.Command = dir, []string{"./plain.txt"} }, "", conversation.Invalid, "there is no such program"},
		"NoInterpreter": {func(c *mcp.Config) { c.Dir, c.Command = dir, []string{"./script"} }, "", conversation.Invalid, "a script needs a first line"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newProgram(t, c.change, c.program)
			for range 2 {
				err := failing(t, s, toolstest.Echo)
				require.Equal(t, c.want, err.Kind, "%v", err)
				require.False(t, err.Ambiguous)
				require.ErrorContains(t, err, c.text)
			}
			require.ErrorContains(t, s.Check(t.Context()), c.text)
			_, err := s.List(t.Context())
			require.ErrorContains(t, err, c.text)
		})
	}
}

// A caller who gives up while the server starts does not end it for the others.
func TestConnectingIsNobodysOwn(t *testing.T) {
	t.Parallel()
	s := newProgram(t, nil, "server")
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() {
		_, err := s.Call(ctx, toolstest.Make("pid", "k", ""))
		result <- err
	}()
	cancel()
	require.ErrorIs(t, <-result, context.Canceled)
	first := call(t, s, "pid")
	require.Equal(t, first, call(t, s, "pid"))
}

// A program that does not read blocks no caller.
func TestDeafProgram(t *testing.T) {
	t.Parallel()
	s := newProgram(t, nil, "deaf")
	call := toolstest.Make(toolstest.Echo, "k", strings.Repeat("x", 1<<20))
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			begin := time.Now()
			_, err := s.Call(ctx, call)
			if conversation.KindOf(err) != conversation.Unavailable || time.Since(begin) > time.Minute {
				t.Errorf("after %v: %v", time.Since(begin), err)
			}
		})
	}
	group.Wait()
}

// What a program writes between its messages is for the log, without secrets. It
// sees nothing of our environment but what it is meant to see.
func TestChattyProgram(t *testing.T) {
	t.Parallel()
	var log logtest.Buffer
	s := newProgram(t, func(c *mcp.Config) {
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		c.LookupEnv = func(name string) (string, bool) {
			v, ok := map[string]string{"PATH": "/bin", "ONERUN_API_KEY": "not-for-tools"}[name]
			return v, ok
		}
	}, "chatty")
	require.Equal(t, "done", call(t, s, "leave_a_word").Content)
	got := slices.DeleteFunc(strings.Split(call(t, s, "environment").Content, "\n"), func(s string) bool { return strings.HasPrefix(s, "GOCOVERDIR=") })
	require.ElementsMatch(t, []string{"PATH=/bin", "API_KEY=" + key, programtest.Variable + "=chatty"}, got)
	require.NoError(t, s.Close())
	for _, want := range []string{"Welcome to the server!", "line=hello", "tools=shop", "API_KEY=[redacted]"} {
		require.Contains(t, log.String(), want)
	}
	require.NotContains(t, log.String(), key)
}

// Close leaves no process behind: not the program, and none of its children, even if
// they ignore signals.
func TestCloseEndsTheWholeGroup(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{"Child": nil, "Both": {"stubborn"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := programtest.NewRoll(t)
			s := newProgram(t, nil, "family", append([]string{r.Path}, args...)...)
			call(t, s, toolstest.Echo)
			first, second := r.Next(t), r.Next(t)
			require.NoError(t, s.Close())
			programtest.Dies(t, first)
			programtest.Dies(t, second)
		})
	}
}

// So does a program that dies.
func TestDeathEndsTheWholeGroup(t *testing.T) {
	t.Parallel()
	r := programtest.NewRoll(t)
	s := newProgram(t, nil, "family", r.Path)
	call(t, s, toolstest.Echo)
	first, second := r.Next(t), r.Next(t)
	failing(t, s, toolstest.Broken)
	programtest.Dies(t, first)
	programtest.Dies(t, second)
}

// Close does not wait for calls: they fail.
func TestCloseDuringACall(t *testing.T) {
	t.Parallel()
	s := newProgram(t, nil, "server")
	call(t, s, toolstest.Echo)
	results := make(chan error, 3)
	for range 3 {
		go func() {
			_, err := s.Call(t.Context(), tools.Call{Name: toolstest.Stall, Arguments: []byte(`{"text":""}`)})
			results <- err
		}()
	}
	require.NoError(t, s.Close())
	for range 3 {
		err := <-results
		require.True(t, conversation.IsKind(err, conversation.Unavailable), "%v", err)
		require.ErrorContains(t, err, "the tools are closed")
	}
}
