//go:build unix

package command_test

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/command"
	"github.com/parley-run/parley/executors/executortest"
)

// A roll knows who is alive: everybody who is holds a connection to its socket.
type roll struct {
	path     string
	listener net.Listener
}

func newRoll(t *testing.T) *roll {
	t.Helper()
	// Not t.TempDir: a socket's path must be short.
	dir, err := os.MkdirTemp("", "roll")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	r := &roll{path: filepath.Join(dir, "s")}
	r.listener, err = new(net.ListenConfig).Listen(t.Context(), "unix", r.path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.listener.Close() })
	return r
}

// next waits for one more to come to life.
func (r *roll) next(t *testing.T) net.Conn {
	t.Helper()
	require.NoError(t, r.listener.(*net.UnixListener).SetDeadline(time.Now().Add(30*time.Second)))
	conn, err := r.listener.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// dies waits until whoever holds the connection is no more.
func dies(t *testing.T, conn net.Conn) {
	t.Helper()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(30*time.Second)))
	_, err := io.Copy(io.Discard, conn)
	require.NoError(t, err, "it lives on")
}

// Close leaves nobody behind: not the program, and none of its children, even if
// they do not heed SIGTERM.
func TestCloseEndsTheWholeGroup(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{"Child": nil, "Both": {"stubborn"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRoll(t)
			e := newExecutor(t, func(c *command.Config) { c.StopTimeout = 100 * time.Millisecond }, "family", append([]string{r.path}, args...)...)
			ask(t, e, "c1")
			first, second := r.next(t), r.next(t)
			require.NoError(t, e.Close())
			dies(t, first)
			dies(t, second)
		})
	}
}

// So does a program that somebody else kills.
func TestCrashEndsTheWholeGroup(t *testing.T) {
	t.Parallel()
	r := newRoll(t)
	e := newExecutor(t, nil, "family", r.path)
	pid, err := strconv.Atoi(ask(t, e, "c1"))
	require.NoError(t, err)
	first, second := r.next(t), r.next(t)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	dies(t, first)
	dies(t, second)
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
	r := newRoll(t)
	e := newExecutor(t, func(c *command.Config) { c.StopTimeout = 100 * time.Millisecond }, "family", r.path, "stubborn")
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() {
		_, err := e.Execute(ctx, executortest.Request("never", "Hi"))
		result <- err
	}()
	first, second := r.next(t), r.next(t)
	cancel()
	require.ErrorIs(t, <-result, context.Canceled)
	dies(t, first)
	dies(t, second)
}

// The first request waits until the program is ready; Check starts it.
func TestHandshake(t *testing.T) {
	t.Parallel()
	r := newRoll(t)
	e := newExecutor(t, func(c *command.Config) { c.Handshake = true }, "handshake", r.path)
	result := make(chan error, 1)
	go func() { result <- e.Check(t.Context()) }()
	conn := r.next(t)
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
	r := newRoll(t)
	worker := exec.Command(os.Args[0], r.path)
	worker.Env = append(os.Environ(), asProgram+"=worker")
	require.NoError(t, worker.Start())
	program := r.next(t)
	require.NoError(t, worker.Process.Kill())
	_ = worker.Wait()
	dies(t, program)
}
