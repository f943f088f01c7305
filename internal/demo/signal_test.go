package demo_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/demo"
)

// playVariable makes the test binary run the demo.
const playVariable = "PARLEY_TEST_PLAY_DEMO"

// playDemo handles signals and errors as "worker --dev" does.
func playDemo() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	opts := options(os.Stdout, io.Discard)
	opts.Exit, opts.JSON = false, true
	err := demo.Run(ctx, opts)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return demo.ExitCode(err)
}

func TestSignals(t *testing.T) {
	t.Parallel()
	t.Run("CtrlC", func(t *testing.T) {
		t.Parallel()
		process, conns := startDemo(t)
		require.NoError(t, process.Process.Signal(os.Interrupt))
		require.NoError(t, process.Wait(), "all conversations had ended: exit code 0")
		requireGone(t, conns)
	})
	t.Run("Kill", func(t *testing.T) {
		t.Parallel()
		process, conns := startDemo(t)
		require.NoError(t, process.Process.Signal(syscall.SIGKILL))
		require.Error(t, process.Wait())
		requireGone(t, conns)
	})
}

// startDemo starts the demo as a process, waits for its result, and connects to
// everything that it runs.
func startDemo(t *testing.T) (*exec.Cmd, []net.Conn) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), playVariable+"=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })

	var result demo.Result
	require.NoError(t, json.NewDecoder(bufio.NewReader(out)).Decode(&result))
	require.Len(t, result.Conversations, 3)
	ui, _, _ := strings.Cut(strings.TrimPrefix(result.UIURL, "http://"), "/")
	var conns []net.Conn
	page, _, _ := strings.Cut(strings.TrimPrefix(result.PageURL, "http://"), "/")
	for _, address := range []string{result.TemporalAddress, strings.TrimPrefix(result.SimulatorURL, "http://"), ui, page} {
		conn, err := net.Dial("tcp", address)
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		conns = append(conns, conn)
	}
	return cmd, conns
}

// requireGone waits until the processes at the other ends have exited.
func requireGone(t *testing.T, conns []net.Conn) {
	t.Helper()
	for _, conn := range conns {
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(20*time.Second)))
		_, err := io.Copy(io.Discard, conn)
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "something still runs at %s", conn.RemoteAddr())
	}
}
