package process_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/process"
)

// programVariable has the test binary run process.Main instead of tests.
const programVariable = "PARLEY_PROCESS_TEST_PROGRAM"

// program is what the test binary does then: it says that it is ready, waits for a
// signal, and ends.
func program() {
	process.Main("program", func(ctx context.Context) int {
		_, _ = os.Stdout.WriteString("ready\n")
		<-ctx.Done()
		if os.Getenv(programVariable) == "stuck" {
			_, _ = os.Stdout.WriteString("stopping\n")
			select {}
		}
		return process.End(os.Stderr, "program", errors.New("a\x1b[2Jb"))
	})
}

// start runs the test binary as a program until it is ready.
func start(t *testing.T, how string) (*exec.Cmd, *bytes.Buffer, func(line string)) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), programVariable+"="+how)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	wait := func(line string) {
		t.Helper()
		read := make([]byte, len(line))
		_, err := out.Read(read)
		require.NoError(t, err)
		require.Equal(t, line, string(read))
	}
	wait("ready\n")
	return cmd, &stderr, wait
}

func TestMainEndsAtTheFirstSignal(t *testing.T) {
	t.Parallel()
	cmd, stderr, _ := start(t, "orderly")
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.Error(t, cmd.Wait())
	require.Equal(t, process.ExitFailed, cmd.ProcessState.ExitCode())
	require.NotContains(t, stderr.String(), "\x1b")
	require.Contains(t, stderr.String(), "program: a")
}

func TestMainExitsAtTheSecondSignal(t *testing.T) {
	t.Parallel()
	cmd, stderr, wait := start(t, "stuck")
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	wait("stopping\n")
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.Error(t, cmd.Wait())
	require.Equal(t, 128+int(syscall.SIGTERM), cmd.ProcessState.ExitCode(), "%s", stderr)
}

func TestEnd(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		err  error
		code int
		text string
	}{
		{"Stopped", nil, process.ExitOK, ""},
		{"Failed", errors.New("broken"), process.ExitFailed, "worker: broken\n"},
		{"OneFault", config.Faults{{Key: "x", Text: "is wrong"}}, process.ExitUsage, "worker: x is wrong\n"},
		{"Faults", config.Faults{{Key: "x", Text: "is wrong"}, {Key: "y", Text: "too"}}, process.ExitUsage, "worker: 2 faults:\n  x is wrong\n  y too\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var stderr bytes.Buffer
			require.Equal(t, tt.code, process.End(&stderr, "worker", tt.err))
			require.Equal(t, tt.text, stderr.String())
		})
	}
}
