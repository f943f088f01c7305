package lab

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// What this test's program does instead of testing.
const (
	ends   = "ends"   // at once, with an error
	remark = "remark" // it ends in order at SIGTERM, and says so
)

func TestMain(m *testing.M) {
	if len(os.Args) != 2 {
		os.Exit(m.Run())
	}
	switch os.Args[1] {
	case ends:
		_, _ = fmt.Fprintln(os.Stderr, "the port is taken")
		os.Exit(3)
	case remark:
		terminated := make(chan os.Signal, 1)
		signal.Notify(terminated, syscall.SIGTERM)
		_, _ = fmt.Fprintln(os.Stderr, "begun")
		<-terminated
		_, _ = fmt.Fprintln(os.Stderr, "ended in order")
	default:
		os.Exit(m.Run())
	}
}

// start runs this test's program as a worker.
func start(t *testing.T, what string) *Process {
	t.Helper()
	l := &Lab{Dir: t.TempDir()}
	p, err := l.run("worker-1", exec.Command(os.Args[0], what))
	require.NoError(t, err)
	t.Cleanup(p.Kill)
	return p
}

func logOf(t *testing.T, p *Process) string {
	t.Helper()
	text, err := os.ReadFile(p.Log)
	require.NoError(t, err)
	return string(text)
}

func TestProcessThatEndsByItself(t *testing.T) {
	t.Parallel()
	p := start(t, ends)
	<-p.running.Done()
	err := p.Ended()
	require.ErrorContains(t, err, "worker-1 has ended (exit status 3)")
	require.ErrorContains(t, err, p.Log)
	require.ErrorContains(t, err, "the port is taken")
	require.NoError(t, (*Process)(nil).Ended())
}

func TestLongLogsAreCut(t *testing.T) {
	t.Parallel()
	p := &Process{Log: filepath.Join(t.TempDir(), "log")}
	require.NoError(t, os.WriteFile(p.Log, []byte("first\n"+strings.Repeat("more\n", 1000)+"last\n"), 0o600))
	require.NotContains(t, p.logged(), "first")
	require.True(t, strings.HasSuffix(p.logged(), "last"))
	require.Less(t, len(p.logged()), 2500)
}

// A process that is stopped can end in order; one that is killed does not notice.
func TestStopAndKill(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		end  func(*Process)
		log  string
	}{
		{"Stop", (*Process).Stop, "begun\nended in order\n"},
		{"Kill", (*Process).Kill, "begun\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := start(t, remark)
			require.NoError(t, await(t.Context(), p.Ended, func() bool { return logOf(t, p) == "begun\n" }))
			tt.end(p)
			require.Equal(t, tt.log, logOf(t, p))
			tt.end(p) // does nothing more
		})
	}
}

func TestProgramThatCannotStart(t *testing.T) {
	t.Parallel()
	l := &Lab{Dir: t.TempDir()}
	_, err := l.run("worker-1", exec.Command(filepath.Join(l.Dir, "none")))
	require.ErrorContains(t, err, "lab: start worker-1: ")
	l.Dir = filepath.Join(l.Dir, "none")
	_, err = l.run("worker-1", exec.Command(os.Args[0], ends))
	require.ErrorContains(t, err, "lab: open ")
	_, err = l.StartWorker(t.Context(), WorkerOptions{})
	require.ErrorContains(t, err, "lab: open ")
}
