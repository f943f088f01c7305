package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// asCommand makes this test binary act as the devserver command, which saves linking a
// second one of a hundred megabytes.
const asCommand = "DEVSERVER_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(m.Run())
}

// A process is a running devserver command.
type process struct {
	readyLine
	cmd    *exec.Cmd
	stdin  io.Closer
	stdout *bufio.Reader
	stderr *bytes.Buffer
}

// launch starts a devserver, on any free ports unless args say otherwise.
func launch(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{stderr: &bytes.Buffer{}}
	p.cmd = exec.Command(os.Args[0], append([]string{"--frontend-address=127.0.0.1:0", "--ui-address="}, args...)...)
	p.cmd.Env = append(os.Environ(), asCommand+"=1")
	p.cmd.Stderr = p.stderr
	stdin, err := p.cmd.StdinPipe()
	require.NoError(t, err)
	p.stdin = stdin
	stdout, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	p.stdout = bufio.NewReader(stdout)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	})
	return p
}

// start launches a devserver and waits until it is ready.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := launch(t, args...)
	line, err := p.stdout.ReadBytes('\n')
	require.NoError(t, err, "%s", p.stderr)
	require.NoError(t, json.Unmarshal(line, &p.readyLine))
	return p
}

// ends waits for the end, checks that it is prompt and silent and returns the exit code.
func (p *process) ends(t *testing.T, within time.Duration) int {
	t.Helper()
	begin := time.Now()
	rest, err := io.ReadAll(p.stdout)
	require.NoError(t, err)
	require.Empty(t, string(rest), "stdout carries the ready line and nothing else")
	_ = p.cmd.Wait()
	require.Less(t, time.Since(begin), within)
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) dial(t *testing.T) client.Client {
	t.Helper()
	c, err := client.Dial(client.Options{
		HostPort: p.Address, Namespace: p.Namespace, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// stopLimit is what a stop may take on a machine busy with other tests.
const stopLimit = 30 * time.Second

// patient waits for a signal and then asks an activity for the answer.
func patient(ctx workflow.Context) (string, error) {
	workflow.GetSignalChannel(ctx, "go").Receive(ctx, nil)
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
	var answer string
	return answer, workflow.ExecuteActivity(ctx, answering).Get(ctx, &answer)
}

func answering(context.Context) (string, error) { return "42", nil }

func TestReadyLineAndSignal(t *testing.T) {
	t.Parallel()
	p := start(t, "--ui-address=127.0.0.1:0", "--namespace=main", "--namespace=side")
	require.Equal(t, "main", p.Namespace)
	require.Equal(t, p.cmd.Process.Pid, p.PID)
	require.Regexp(t, `^127\.0\.0\.1:\d+$`, p.Address)

	reply, err := http.Get(p.UIURL)
	require.NoError(t, err)
	require.NoError(t, reply.Body.Close())
	require.Equal(t, http.StatusOK, reply.StatusCode)

	// A worker that polls must not delay the end.
	c := p.dial(t)
	w := worker.New(c, "queue", worker.Options{})
	w.RegisterWorkflow(patient)
	w.RegisterActivity(answering)
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: "queue"}, patient)
	require.NoError(t, err)
	require.NoError(t, c.SignalWorkflow(t.Context(), run.GetID(), "", "go", nil))
	require.NoError(t, run.Get(t.Context(), nil))

	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.Zero(t, p.ends(t, stopLimit), "%s", p.stderr)
	require.Empty(t, p.stderr.String(), "nothing to warn about")
}

func TestExitWithStdin(t *testing.T) {
	t.Parallel()
	p := start(t, "--exit-with-stdin")
	require.NoError(t, p.stdin.Close())
	require.Zero(t, p.ends(t, stopLimit))
}

func TestStdinMayBeClosedOtherwise(t *testing.T) {
	t.Parallel()
	p := start(t)
	require.NoError(t, p.stdin.Close())
	_, err := p.dial(t).CheckHealth(t.Context(), nil)
	require.NoError(t, err)
}

func TestBusyPort(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = taken.Close() })
	address := taken.Addr().String()

	t.Run("Fails", func(t *testing.T) {
		for _, flag := range []string{"--frontend-address=", "--ui-address="} {
			p := launch(t, flag+address)
			require.Equal(t, 1, p.ends(t, stopLimit))
			require.Contains(t, p.stderr.String(), address+": port is in use")
			require.Equal(t, 1, strings.Count(p.stderr.String(), "\n"), "one line: %s", p.stderr)
		}
	})
	t.Run("MovesOn", func(t *testing.T) {
		p := start(t, "--frontend-address="+address, "--ui-address="+address, "--next-free-port")
		require.NotEqual(t, address, p.Address)
		require.NotContains(t, p.UIURL, address)
		require.NotContains(t, p.UIURL, p.Address)
	})
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = taken.Close() })

	var processes []*process
	for range 4 {
		processes = append(processes, launch(t, "--next-free-port", "--frontend-address="+taken.Addr().String()))
	}
	addresses := map[string]bool{}
	for _, p := range processes {
		line, err := p.stdout.ReadBytes('\n')
		require.NoError(t, err, "%s", p.stderr)
		require.NoError(t, json.Unmarshal(line, &p.readyLine))
		addresses[p.Address] = true
	}
	require.Len(t, addresses, len(processes))
}

func TestFileKeepsWorkflows(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "a file? yes.db")
	first := start(t, "--db-file="+file, "--search-attribute=Platform=Keyword")
	run, err := first.dial(t).ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "kept", TaskQueue: "queue"}, patient)
	require.NoError(t, err)

	t.Run("OneProcessAtATime", func(t *testing.T) {
		p := launch(t, "--db-file="+file)
		require.Equal(t, 1, p.ends(t, stopLimit))
		require.Contains(t, p.stderr.String(), "a file? yes.db: another process is using it")
	})

	require.NoError(t, first.cmd.Process.Kill()) // the hardest end
	_ = first.cmd.Wait()

	second := start(t, "--db-file="+file,
		"--search-attribute=Platform=Keyword", "--search-attribute=Turns=Int", "--namespace=default", "--namespace=late")
	c := second.dial(t)
	kept, err := c.DescribeWorkflowExecution(t.Context(), "kept", "")
	require.NoError(t, err)
	require.Equal(t, run.GetRunID(), kept.GetWorkflowExecutionInfo().GetExecution().GetRunId())
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, kept.GetWorkflowExecutionInfo().GetStatus())

	w := worker.New(c, "queue", worker.Options{})
	w.RegisterWorkflow(patient)
	w.RegisterActivity(answering)
	require.NoError(t, w.Start())
	require.NoError(t, c.SignalWorkflow(t.Context(), "kept", "", "go", nil))
	var answer string
	require.NoError(t, c.GetWorkflow(t.Context(), "kept", "").Get(t.Context(), &answer))
	require.Equal(t, "42", answer)
	w.Stop()

	require.NoError(t, second.cmd.Process.Signal(os.Interrupt))
	require.Zero(t, second.ends(t, stopLimit), "%s", second.stderr)
	wal, err := os.Stat(file + "-wal")
	require.True(t, os.IsNotExist(err) || wal.Size() == 0, "the file alone holds everything")

	t.Run("TypesStay", func(t *testing.T) {
		p := launch(t, "--db-file="+file, "--search-attribute=Turns=Text")
		require.Equal(t, 1, p.ends(t, 30*time.Second))
		require.Contains(t, p.stderr.String(), `search attribute "Turns" is Int in this database and cannot become Text`)
	})
}

func TestForeignFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "letter.txt")
	letter := strings.Repeat("Dear Ada, ", 1000)
	require.NoError(t, os.WriteFile(file, []byte(letter), 0o600))
	p := launch(t, "--db-file="+file)
	require.Equal(t, 1, p.ends(t, stopLimit))
	require.Contains(t, p.stderr.String(), "letter.txt: ")
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, letter, string(after))
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"UnknownFlag":     {[]string{"--no-such-flag"}, "unknown flag"},
		"Argument":        {[]string{"start"}, `unexpected argument "start"`},
		"LogLevel":        {[]string{"--log-level=loud"}, "want debug, info, warn or error"},
		"AttributeType":   {[]string{"--search-attribute=Platform=Word"}, "want name=type"},
		"AttributeNoType": {[]string{"--search-attribute=Platform"}, "want name=type"},
		"AttributeTwice":  {[]string{"--search-attribute=A=Int", "--search-attribute=A=Text"}, "given before as Int"},
		"ConfigNoValue":   {[]string{"--dynamic-config=system.enableNexus"}, "want key=value"},
		"ConfigUnknown":   {[]string{"--dynamic-config=no.such=1"}, "unregistered key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			err := run(t.Context(), test.args, nil, &stdout, &stderr)
			require.ErrorContains(t, err, test.want)
			require.Equal(t, 2, exitCode(err, &stderr))
			require.Contains(t, stderr.String(), "--help")
			require.Empty(t, stdout.String())
		})
	}
}

// The help is written by hand: every flag must be in it.
func TestHelp(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"--help"}, nil, &stdout, &stderr))
	require.Equal(t, help, stdout.String())
	var o options
	newFlags(&o).VisitAll(func(f *pflag.Flag) { require.Contains(t, help, "\n  --"+f.Name+" ") })
}

func TestVersion(t *testing.T) {
	t.Parallel()
	require.Regexp(t, `Temporal server v1\.\d+\.\d+, UI v2\.\d+\.\d+ \(go`, version())
}

func TestStoppedBeforeReady(t *testing.T) {
	t.Parallel()
	p := launch(t, "--exit-with-stdin")
	require.NoError(t, p.stdin.Close())
	require.Zero(t, p.ends(t, stopLimit), "%s", p.stderr)
}
