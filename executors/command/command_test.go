package command_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/command"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/internal/logtest"
	"github.com/parley-run/parley/internal/program/programtest"
	"github.com/parley-run/parley/secret"
)

const key = "pk-very-secret-key-0123456789"

// newExecutor makes an executor for one of the test's programs.
func newExecutor(t *testing.T, change func(*command.Config), program string, args ...string) *command.Executor {
	t.Helper()
	cfg := command.Config{
		Command: append([]string{os.Args[0]}, args...),
		Env:     map[string]secret.String{programtest.Variable: secret.String(program), "API_KEY": key},
	}
	if testing.CoverMode() != "" { // else the programs complain on their standard error
		cfg.Env["GOCOVERDIR"] = secret.String(t.TempDir())
	}
	if change != nil {
		change(&cfg)
	}
	e, err := command.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}

func streaming(c *command.Config) { c.Stream = true }

func multiplexed(c *command.Config) { c.Processes, c.Concurrency = 1, 16 }

func TestContract(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*command.Config){"OneAtATime": nil, "Streaming": streaming, "Multiplexed": multiplexed} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			executortest.Run(t, executortest.Fixture{
				Secrets: []string{key},
				New: func(t *testing.T) executors.Executor {
					return newExecutor(t, change, "speaks")
				},
				Stall: func(t *testing.T) executors.Executor {
					return newExecutor(t, change, "mute")
				},
				Fail: func(t *testing.T, want executortest.Failure) executors.Executor {
					answer, err := json.Marshal(map[string]any{"id": "$ID", "error": map[string]any{
						"kind": want.Kind, "message": "no: " + key, "retry_after": want.RetryAfter.Seconds(),
					}})
					require.NoError(t, err)
					return newExecutor(t, change, "says", string(answer))
				},
			})
		})
	}
}

func TestReply(t *testing.T) {
	t.Parallel()
	e := newExecutor(t, streaming, "speaks")
	req := executortest.Request("c1", "Hi")
	req.State = json.RawMessage("4")
	var deltas []string
	req.OnDelta = func(text string) { deltas = append(deltas, text) }
	res, err := e.Execute(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, executors.Result{
		Message:      conversation.Text(conversation.RoleAssistant, "Good day!"),
		State:        json.RawMessage("5"),
		Usage:        conversation.Usage{Calls: 1},
		Provider:     "command",
		Model:        "p-1",
		FinishReason: executors.FinishStop,
	}, res)
	require.Equal(t, []string{"Good ", "day!"}, deltas)
}

// ask returns the text of the answer.
func ask(t *testing.T, e *command.Executor, id string) string {
	t.Helper()
	res, err := e.Execute(t.Context(), executortest.Request(id, "Hi"))
	require.NoError(t, err)
	return res.Message.Text()
}

func TestProgramsAreKeptWarm(t *testing.T) {
	t.Parallel()
	e := newExecutor(t, nil, "pid")
	first := ask(t, e, "c1")
	for i := range 5 {
		require.Equal(t, first, ask(t, e, fmt.Sprint("c", i)))
	}
}

// A program that crashes is replaced, and the crash is worth another try.
func TestCrash(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		program string
		args    []string
		want    string
	}{
		"AtStart":     {"exits", nil, "the program ended: exit status 3: no model found"},
		"Silently":    {"crashes", []string{""}, "the program ended: exit status 3"},
		"WithReason":  {"crashes", []string{"Traceback: " + key}, "the program ended: exit status 3: Traceback: [redacted]"},
		"MidAnswer":   {"crashes", []string{`{"delta": "Hel"}`, "", "boom"}, "exit status 3: boom"},
		"MidLine":     {"crashes", []string{`{"message": "Hel`, "boom"}, "exit status 3: boom"},
		"NotAProgram": {"none", nil, "the program ended: exit status 2: no such program: none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newExecutor(t, nil, c.program, c.args...)
			for range 2 {
				_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
				require.True(t, conversation.IsKind(err, conversation.Unavailable), "%v", err)
				require.ErrorContains(t, err, c.want)
				require.NotContains(t, err.Error(), key)
			}
		})
	}
}

// An answer that is complete counts, however the program ends afterwards.
func TestAnswerBeforeTheEnd(t *testing.T) {
	t.Parallel()
	e := newExecutor(t, nil, "crashes", `{"message": "Hello"}`, "boom")
	require.Equal(t, "Hello", ask(t, e, "c1"))
}

// What a program may answer, and what that means.
func TestErrors(t *testing.T) {
	t.Parallel()
	const (
		down    = conversation.Unavailable
		invalid = conversation.Invalid
	)
	for name, c := range map[string]struct {
		change  func(*command.Config)
		program string
		args    []string
		want    conversation.Kind
		text    string
		after   time.Duration
	}{
		"RateLimited":     {nil, "says", []string{`{"error": {"kind": "RateLimited", "message": "later", "retry_after": 20}}`}, conversation.RateLimited, "the agent reports: “later”", 20 * time.Second},
		"ServerError":     {nil, "says", []string{`{"error": {"message": "upstream: 500"}}`}, down, "upstream: 500", 0},
		"WrongKey":        {nil, "says", []string{`{"error": {"kind": "Unauthorized", "message": "401"}}`}, conversation.Unauthorized, "check env and pass_env", 0},
		"Refused":         {nil, "says", []string{`{"error": {"kind": "Refused", "message": "not that"}}`}, conversation.Refused, "not that", 0},
		"CutOffStream":    {nil, "crashes", []string{`{"delta": "Hel"}`, "", "gone"}, down, "gone", 0},
		"Empty":           {nil, "says", []string{`{"message": ""}`}, down, "the answer is empty", 0},
		"InvalidUTF8":     {nil, "says", []string{"{\"message\": \"a\xff\"}"}, down, "not valid UTF-8", 0},
		"TwentyMegabytes": {nil, "large", nil, invalid, "larger than allowed (have the agent answer with less)", 0},
		"LargeDeltas":     {func(c *command.Config) { c.MaxReplyBytes = 10 }, "says", []string{`{"delta": "Hello!"}`, `{"delta": "Hello!"}`}, invalid, "larger than allowed", 0},
		"Chatter":         {nil, "says", []string{"Loading the model " + key}, invalid, `a line begins “Loading the model [redacted]`, 0},
		"ForeignWords":    {nil, "says", []string{`{"end": false, "output": "Hi"}`}, invalid, "it has none of message", 0},
		"OtherID":         {nil, "says", []string{`{"id": "x", "message": "Hi"}`}, invalid, "the id of another request", 0},
		"NoID":            {multiplexed, "says", []string{`{"message": "Hi"}`}, invalid, "have the program repeat the id", 0},
		"NoProgram":       {func(c *command.Config) { c.Command = []string{"no-such-program-anywhere"} }, "", nil, invalid, "check command and dir", 0},
		"NoDir":           {func(c *command.Config) { c.Dir = "/no/such/dir" }, "", nil, invalid, "dir, /no/such/dir, is no directory", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newExecutor(t, c.change, c.program, c.args...)
			_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
			var ce *conversation.Error
			require.ErrorAs(t, err, &ce)
			require.Equal(t, c.want, ce.Kind, "%v", err)
			require.ErrorContains(t, err, c.text)
			require.Equal(t, c.after, ce.RetryAfter)
			require.NotContains(t, err.Error(), key)
		})
	}
}

// An error that the program reports is no reason to replace it.
func TestProgramSurvivesItsErrors(t *testing.T) {
	t.Parallel()
	e := newExecutor(t, nil, "says", `{"id": "$ID", "error": {"message": "hm"}}`)
	for range 3 {
		_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
		require.ErrorContains(t, err, "the agent reports: “hm”")
	}
}

func TestTimers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change  func(*command.Config)
		program string
		args    []string
		want    string
	}{
		"FirstToken": {func(c *command.Config) { c.Stream, c.FirstTokenTimeout = true, 50*time.Millisecond }, "mute", nil, "(first_token_timeout)"},
		"Gap":        {func(c *command.Config) { c.GapTimeout = 50 * time.Millisecond }, "says", []string{`{"delta": "Hel"}`}, "(gap_timeout)"},
		"Total":      {func(c *command.Config) { c.Timeout = 50 * time.Millisecond }, "mute", nil, "(timeout)"},
		"Multiplexed": {func(c *command.Config) { c.Concurrency, c.Timeout = 4, 50*time.Millisecond }, "mute", nil,
			"(timeout)"},
		"Start": {func(c *command.Config) { c.Handshake, c.StartTimeout = true, 50*time.Millisecond }, "mute", nil,
			"the program was not ready within 50ms (start_timeout)"},
		"NotReading": {func(c *command.Config) { c.Timeout = 50 * time.Millisecond }, "deaf", nil, "(timeout)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newExecutor(t, c.change, c.program, c.args...)
			req := executortest.Request("c1", strings.Repeat("x", 1<<20)) // more than fits into a pipe
			for range 2 {
				_, err := e.Execute(t.Context(), req)
				require.True(t, conversation.IsKind(err, conversation.Unavailable), "%v", err)
				require.ErrorContains(t, err, c.want)
				require.NotErrorIs(t, err, context.Canceled)
			}
		})
	}
}

// Answers find their requests by id, whatever their order.
func TestMultiplexed(t *testing.T) {
	t.Parallel()
	e := newExecutor(t, multiplexed, "pairs")
	var group sync.WaitGroup
	texts, errs := make([]string, 8), make([]error, 8)
	for i := range texts {
		group.Go(func() {
			res, err := e.Execute(t.Context(), executortest.Request(fmt.Sprint("c", i), "Hi"))
			texts[i], errs[i] = res.Message.Text(), err
		})
	}
	group.Wait()
	require.NoError(t, errors.Join(errs...))
	for i, text := range texts {
		require.Equal(t, fmt.Sprint("c", i), text)
	}
}

// A program that serves several receives the cancellation of an abandoned request, and stays.
func TestMultiplexedCancel(t *testing.T) {
	t.Parallel()
	e := newExecutor(t, multiplexed, "hears")
	taken := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer close(taken)
		_, _ = e.Execute(ctx, executortest.Request("forget", "Hi"))
	}()
	// The program has the first request once it answers the next one with it.
	require.Eventually(t, func() bool {
		res, err := e.Execute(t.Context(), executortest.Request("answer", "Hi"))
		return err == nil && strings.Contains(res.Message.Text(), `"id":"forget"`)
	}, time.Minute, time.Millisecond)
	cancel()
	<-taken
	require.Eventually(t, func() bool {
		return strings.Contains(ask(t, e, "answer"), `"cancel":true`)
	}, time.Minute, time.Millisecond)
}

// No more programs run than may, and requests wait for their turn.
func TestPoolIsBounded(t *testing.T) {
	t.Parallel()
	e := newExecutor(t, func(c *command.Config) { c.Processes = 2 }, "pid")
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		pids  = make(map[string]bool)
	)
	for i := range 20 {
		group.Go(func() {
			res, err := e.Execute(t.Context(), executortest.Request(fmt.Sprint("c", i), "Hi"))
			mu.Lock()
			defer mu.Unlock()
			pids[res.Message.Text()] = true
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	require.LessOrEqual(t, len(pids), 2)
}

func TestWaitingForAProgramHeedsTheContext(t *testing.T) {
	t.Parallel()
	e := newExecutor(t, func(c *command.Config) { c.Processes = 1 }, "mute")
	ctx, cancel := context.WithCancel(t.Context())
	busy := make(chan struct{})
	go func() {
		defer close(busy)
		_, _ = e.Execute(ctx, executortest.Request("c1", "Hi"))
	}()
	second, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	_, err := e.Execute(second, executortest.Request("c2", "Hi"))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	cancel()
	<-busy
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	var log logtest.Buffer
	e := newExecutor(t, func(c *command.Config) {
		c.PassEnv = []string{"OPENAI_API_KEY", "UNSET"}
		c.Logger = logger(&log)
		c.LookupEnv = func(name string) (string, bool) {
			v, ok := map[string]string{"PATH": "/bin", "OPENAI_API_KEY": "passed-on-secret", "ONERUN_API_KEY": "not-for-agents"}[name]
			return v, ok
		}
	}, "environment")
	got := slices.DeleteFunc(strings.Split(ask(t, e, "c1"), "\n"), func(s string) bool { return strings.HasPrefix(s, "GOCOVERDIR=") })
	require.ElementsMatch(t, []string{"PATH=/bin", "OPENAI_API_KEY=passed-on-secret", "API_KEY=" + key, programtest.Variable + "=environment"}, got)
	require.NoError(t, e.Close())
	require.Contains(t, log.String(), "PATH=/bin")
	require.Contains(t, log.String(), "API_KEY=[redacted]")
	for _, s := range []string{key, "passed-on-secret"} {
		require.NotContains(t, log.String(), s, "no key in a log")
	}
}

// Nothing but the program gets the arguments: no shell does.
func TestNoShell(t *testing.T) {
	t.Parallel()
	e := newExecutor(t, nil, "says", `{"message": "$(id) `+"`id`"+` $HOME * && ;"}`)
	require.Equal(t, "$(id) `id` $HOME * && ;", ask(t, e, "c1"))
}

func TestCheck(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "plain.txt"), []byte("x"), 0o600))
	for name, c := range map[string]struct {
		change func(*command.Config)
		want   conversation.Kind
		text   string
	}{
		"Works":         {nil, "", ""},
		"NoProgram":     {func(c *command.Config) { c.Command = []string{"no-such-program-anywhere"} }, conversation.Invalid, "check command and dir"},
		"NotExecutable": {func(c *command.Config) { c.Dir, c.Command = dir, []string{"./plain.txt"} }, conversation.Invalid, "is not executable"},
		"Crashes":       {func(c *command.Config) { c.Handshake, c.Env[programtest.Variable] = true, "exits" }, conversation.Unavailable, "no model found"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := newExecutor(t, c.change, "pid").Check(t.Context())
			require.Equal(t, c.want, conversation.KindOf(err), "%v", err)
			if c.want != "" {
				require.ErrorContains(t, err, c.text)
				require.ErrorContains(t, err, "command: check ")
			}
		})
	}
}

// A script whose first line does not say who reads it cannot be started.
func TestScriptWithoutInterpreter(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there are no such lines")
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "agent"), []byte("print()\n"), 0o700))
	e := newExecutor(t, func(c *command.Config) { c.Dir, c.Command = dir, []string{"./agent"} }, "")
	_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
	require.True(t, conversation.IsKind(err, conversation.Invalid), "%v", err)
	require.ErrorContains(t, err, "a script needs a first line")
}

func TestNewReportsEveryFault(t *testing.T) {
	t.Parallel()
	_, err := command.New(command.Config{
		Command: []string{"python3 agent.py"},
		Env:     map[string]secret.String{"A B": "x", "K": key + "\x00", "P": "x"},
		PassEnv: []string{"P", "B-C"}, Processes: -1, Concurrency: -1, MaxReplyBytes: -1, Send: "some",
		StartTimeout: time.Second, StopTimeout: -1, Timeout: time.Second, GapTimeout: time.Minute,
	})
	require.Error(t, err)
	require.NotContains(t, err.Error(), key)
	for _, want := range []string{
		`command is "python3 agent.py", which looks like a line for a shell`,
		"env.A B is no name of a variable", "env.K contains a zero byte", "env.P is in pass_env too",
		`pass_env[1] is "B-C", which is no name`, "processes is -1", "concurrency is -1", "max_reply_bytes is -1", `send is "some"`,
		"start_timeout needs handshake: true", "stop_timeout is -1ns", "gap_timeout is 1m0s, longer than timeout",
	} {
		require.ErrorContains(t, err, want)
	}
	require.Len(t, strings.Split(err.Error(), "\n"), 12)
	_, err = command.New(command.Config{})
	require.ErrorContains(t, err, "command is empty: write the program and its arguments as a list")
}

func TestClosed(t *testing.T) {
	t.Parallel()
	e := newExecutor(t, nil, "pid")
	ask(t, e, "c1")
	require.NoError(t, e.Close())
	_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
	require.ErrorContains(t, err, "the executor is closed")
}
