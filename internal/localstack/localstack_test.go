package localstack_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/parley-run/parley/internal/localstack"
	"github.com/parley-run/parley/internal/localstack/build"
)

func TestStartReadsTheReadyLine(t *testing.T) {
	t.Parallel()
	var stderr bytes.Buffer
	var steps []build.Step
	stack, err := localstack.Start(t.Context(), localstack.Options{
		Binary: program(t, "ready"), Port: localstack.AnyPort, UI: true, Namespace: "elsewhere",
		SearchAttributes: []temporal.SearchAttributeKey{known, unknown},
		Stderr:           &stderr,
		OnProgress:       func(p build.Progress) { steps = append(steps, p.Step) },
	})
	require.NoError(t, err)
	conn := dial(t, stack.Address)

	require.Equal(t, "http://127.0.0.1:8233", stack.UIURL)
	require.Equal(t, "elsewhere", stack.Namespace)
	require.Zero(t, stack.Built)
	require.Equal(t, []build.Step{build.StepStart, build.StepReady}, steps)
	require.NoError(t, stack.Err())

	stack.Close()
	stack.Close()
	<-stack.Done()
	require.NoError(t, stack.Err(), "it was asked to end")
	requireGone(t, conn)
	require.Equal(t, "registered Known=Int Unknown=Keyword\n", stderr.String())
}

func TestBusyPortIsAnsweredWithAnother(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()

	stack, err := localstack.Start(t.Context(), localstack.Options{
		Binary: program(t, "ready"), Port: l.Addr().(*net.TCPAddr).Port,
	})
	require.NoError(t, err)
	defer stack.Close()
	require.NotEqual(t, l.Addr().String(), stack.Address)
	require.Empty(t, stack.UIURL)
}

func TestEarlyDeathTellsWhatTheServerSaid(t *testing.T) {
	t.Parallel()
	_, err := localstack.Start(t.Context(), localstack.Options{Binary: program(t, "dies-early")})
	require.ErrorContains(t, err, "exit status 7")
	require.ErrorContains(t, err, "the disk is full")
}

func TestNoSuchBinary(t *testing.T) {
	t.Parallel()
	_, err := localstack.Start(t.Context(), localstack.Options{Binary: filepath.Join(t.TempDir(), "none")})
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestLaterDeathIsSeen(t *testing.T) {
	t.Parallel()
	stack, err := localstack.Start(t.Context(), localstack.Options{Binary: program(t, "dies-later"), Port: localstack.AnyPort})
	require.NoError(t, err)
	defer stack.Close()
	stack.BreakStdin(t)
	<-stack.Done()
	require.ErrorContains(t, stack.Err(), "exit status 9")
	require.ErrorContains(t, stack.Err(), "out of memory")
	stack.Close()
	require.Error(t, stack.Err(), "closing a dead server keeps its error")
}

func TestStartGivesUpWithTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("somebody pressed Ctrl-C")
	_, err := localstack.Start(ctx, localstack.Options{
		Binary: program(t, "mute"),
		OnProgress: func(p build.Progress) {
			if p.Step == build.StepStart {
				cancel(why)
			}
		},
	})
	require.ErrorIs(t, err, why)
}

func TestCloseKillsTheGroup(t *testing.T) {
	t.Parallel()
	stack, err := localstack.Start(t.Context(), localstack.Options{Binary: program(t, "stubborn")}.WithGrace(50*time.Millisecond))
	require.NoError(t, err)
	grandchild := dial(t, stack.Address) // only the server's child listens
	stack.Close()
	requireGone(t, grandchild)
}

func TestKilledParentLeavesNothingBehind(t *testing.T) {
	t.Run("Devserver", func(t *testing.T) {
		killParent(t, program(t, "ready"))
	})
	t.Run("TemporalCLI", func(t *testing.T) {
		if runtime.GOOS != "linux" {
			t.Skip("only Linux kills a child with its parent")
		}
		putOnPath(t, program(t, "temporal"))
		killParent(t)
	})
}

func killParent(t *testing.T, args ...string) {
	t.Helper()
	parent := exec.Command(program(t, "parent"), args...)
	out, err := parent.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, parent.Start())
	address, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	conn := dial(t, strings.TrimSpace(address))

	require.NoError(t, parent.Process.Kill())
	_ = parent.Wait()
	requireGone(t, conn)
}

func TestTemporalCLIOnPath(t *testing.T) {
	putOnPath(t, program(t, "temporal"))
	stack, err := localstack.Start(t.Context(), localstack.Options{
		UI: true, SearchAttributes: []temporal.SearchAttributeKey{known},
	})
	require.NoError(t, err)
	defer stack.Close()
	require.Equal(t, "temporal version 1.99.0 (Server 1.99.0, UI 2.99.0)", stack.Server)
	require.Contains(t, stack.UIURL, "http://127.0.0.1:")
	conn := dial(t, stack.Address)
	stack.Close()
	require.NoError(t, stack.Err())
	requireGone(t, conn)
}

func TestOtherTemporalCommandIsPassedOver(t *testing.T) {
	// A command of the same name that is not Temporal's.
	putOnPath(t, program(t, "dies-early"), "temporal")
	var news []string
	_, err := localstack.Start(t.Context(), localstack.Options{
		SourceDir:  t.TempDir(),
		OnProgress: func(p build.Progress) { news = append(news, p.String()) },
	})
	require.ErrorContains(t, err, "is not the folder of module")
	require.Len(t, news, 1)
	require.Contains(t, news[0], "cannot be used")
}

func TestGivenAddress(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := newTemporal()
	go func() { _ = s.Serve(l) }()
	defer s.Stop()

	opts := localstack.Options{Address: l.Addr().String()}
	stack, err := localstack.Start(t.Context(), opts)
	require.NoError(t, err)
	require.Equal(t, l.Addr().String(), stack.Address)
	require.Equal(t, "default", stack.Namespace)
	stack.Close()
	require.Nil(t, stack.Done())
	require.NoError(t, stack.Err())

	opts.Namespace = "elsewhere"
	_, err = localstack.Start(t.Context(), opts)
	require.ErrorContains(t, err, `namespace "elsewhere"`)
}

// putOnPath makes PATH consist of the folder of program, under which name it may
// go by.
func putOnPath(t *testing.T, program string, as ...string) {
	t.Helper()
	dir := filepath.Dir(program)
	if len(as) == 1 {
		// The test binary acts by the last name in the chain that started it, so a script
		// must start it.
		script := "#!/bin/sh\nexec " + program + "\n"
		require.NoError(t, os.WriteFile(filepath.Join(dir, as[0]), []byte(script), 0o755))
	}
	t.Setenv("PATH", dir)
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// requireGone waits until the process at the other end has exited.
func requireGone(t *testing.T, conn net.Conn) {
	t.Helper()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(20*time.Second)))
	_, err := io.Copy(io.Discard, conn)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the process still runs")
}
