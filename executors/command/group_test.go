//go:build unix

package command_test

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/command"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/internal/program/programtest"
)

// Close leaves no process behind: not the program, and none of its children, even if
// they ignore SIGTERM.
func TestCloseEndsTheWholeGroup(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{"Child": nil, "Both": {"stubborn"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := programtest.NewRoll(t)
			e := newExecutor(t, func(c *command.Config) { c.StopTimeout = 100 * time.Millisecond }, "family", append([]string{r.Path}, args...)...)
			ask(t, e, "c1")
			first, second := r.Next(t), r.Next(t)
			require.NoError(t, e.Close())
			programtest.Dies(t, first)
			programtest.Dies(t, second)
		})
	}
}

// So does a program that another process kills.
func TestCrashEndsTheWholeGroup(t *testing.T) {
	t.Parallel()
	r := programtest.NewRoll(t)
	e := newExecutor(t, nil, "family", r.Path)
	pid, err := strconv.Atoi(ask(t, e, "c1"))
	require.NoError(t, err)
	first, second := r.Next(t), r.Next(t)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	programtest.Dies(t, first)
	programtest.Dies(t, second)
	require.NotEqual(t, strconv.Itoa(pid), askUntil(t, e), "another takes its place")
}

// askUntil asks until a program answers: one that has just died may still be
// taken for alive once, and that is an error worth a retry.
func askUntil(t *testing.T, e *command.Executor) string {
	t.Helper()
	for {
		res, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
		if err == nil {
			return res.Message.Text()
		}
		require.True(t, conversation.IsKind(err, conversation.Unavailable), "%v", err)
	}
}

// A request that is given up ends the program that works on it.
func TestCancelEndsTheWholeGroup(t *testing.T) {
	t.Parallel()
	r := programtest.NewRoll(t)
	e := newExecutor(t, func(c *command.Config) { c.StopTimeout = 100 * time.Millisecond }, "family", r.Path, "stubborn")
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() {
		_, err := e.Execute(ctx, executortest.Request("never", "Hi"))
		result <- err
	}()
	first, second := r.Next(t), r.Next(t)
	cancel()
	require.ErrorIs(t, <-result, context.Canceled)
	programtest.Dies(t, first)
	programtest.Dies(t, second)
}

// The first request waits until the program is ready; Check starts it.
func TestHandshake(t *testing.T) {
	t.Parallel()
	r := programtest.NewRoll(t)
	e := newExecutor(t, func(c *command.Config) { c.Handshake = true }, "handshake", r.Path)
	result := make(chan error, 1)
	go func() { result <- e.Check(t.Context()) }()
	conn := r.Next(t)
	select {
	case err := <-result:
		require.Fail(t, "it was not ready yet", "%v", err)
	default:
	}
	_, err := conn.Write([]byte("!"))
	require.NoError(t, err)
	require.NoError(t, <-result)
	require.NotEmpty(t, ask(t, e, "c1"))
}

// A worker that is killed takes its programs along.
func TestKilledWorker(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells programs that their parent is dead")
	}
	r := programtest.NewRoll(t)
	worker := exec.Command(os.Args[0], r.Path)
	worker.Env = append(os.Environ(), programtest.Variable+"=worker")
	require.NoError(t, worker.Start())
	program := r.Next(t)
	require.NoError(t, worker.Process.Kill())
	_ = worker.Wait()
	programtest.Dies(t, program)
}
