package demo_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/demo"
	"github.com/parley-run/parley/internal/localstack"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/process"
)

// options are a small demo on ports of its own.
func options(stdout, stderr io.Writer) demo.Options {
	return demo.Options{
		Conversations: 3,
		Exit:          true,
		Environ:       []string{"TEMPORAL_ADDRESS=nowhere.invalid:1", "ONERUN_API_KEY=of another platform"},
		Stack:         localstack.Options{Port: localstack.AnyPort, UIPort: localstack.AnyPort},
		SimulatorPort: localstack.AnyPort,
		RunWorker:     runWorker,
		Stdout:        stdout,
		Stderr:        io.MultiWriter(stderr, os.Stderr),
	}
}

func TestDemo(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	opts := options(&stdout, &stderr)
	opts.JSON = true
	require.NoError(t, demo.Run(t.Context(), opts))

	var got demo.Result
	require.NoError(t, json.Unmarshal(stdout.Bytes(), &got))
	require.Len(t, got.Conversations, 3)
	for _, c := range got.Conversations {
		require.Equal(t, "ended", c.Outcome, "%+v", c)
		require.NotEmpty(t, c.EndedBy)
		require.NotEmpty(t, c.Persona)
		require.Positive(t, c.Turns)
		require.Positive(t, c.DurationMS)
		require.True(t, strings.HasPrefix(c.WorkflowID, "onerun/") && strings.HasSuffix(c.WorkflowID, "/"+c.ID), c.WorkflowID)
	}
	require.Contains(t, stderr.String(), "first conversation after")
	require.Contains(t, stderr.String(), "3/3")

	_, err := http.Get(got.SimulatorURL + "/health")
	require.Error(t, err, "nothing is left running")
	http.DefaultClient.CloseIdleConnections()
}

func TestDemoStaysUpUntilItIsStopped(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stderr bytes.Buffer
	stdout := &until{text: "Ctrl-C stops everything.", then: cancel}
	opts := options(stdout, &stderr)
	opts.Exit = false
	require.NoError(t, demo.Run(ctx, opts), "all conversations had ended")

	require.Contains(t, stdout.String(), "3 of 3 ended")
	require.Contains(t, stdout.String(), "persona │")
	require.Contains(t, stdout.String(), "/namespaces/default/workflows")
	require.Contains(t, stdout.String(), "go run ./starter list --temporal-address 127.0.0.1:")
}

func TestInterruptedDemo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var stdout, stderr bytes.Buffer
	opts := options(&stdout, &stderr)
	stopped := false
	opts.RunWorker = func(ctx context.Context, _ demo.Worker) error {
		cancel()
		<-ctx.Done()
		stopped = true
		return nil
	}
	err := demo.Run(ctx, opts)
	require.ErrorIs(t, err, demo.ErrInterrupted)
	require.Equal(t, 130, demo.ExitCode(err))
	require.True(t, stopped, "the worker was given the time to stop")
	require.Empty(t, stdout.String())
}

func TestDemoWhoseWorkerDies(t *testing.T) {
	t.Parallel()
	opts := options(io.Discard, io.Discard)
	why := errors.New("the key is not valid")
	opts.RunWorker = func(context.Context, demo.Worker) error { return why }
	err := demo.Run(t.Context(), opts)
	require.ErrorIs(t, err, why)
	require.Equal(t, 1, demo.ExitCode(err))
}

func TestDemoOnAGivenServer(t *testing.T) {
	t.Parallel()
	server := localstacktest.Start(t)
	var stdout, stderr bytes.Buffer
	opts := options(&stdout, &stderr)
	opts.JSON = true
	opts.Environ = nil
	opts.Stack = localstack.Options{Address: server.Address}
	require.NoError(t, demo.Run(t.Context(), opts))

	var got demo.Result
	require.NoError(t, json.Unmarshal(stdout.Bytes(), &got))
	require.Equal(t, server.Address, got.TemporalAddress)
	require.Contains(t, stderr.String(), "task queue parley-demo-", "no other worker may take our work")
	require.NoError(t, server.Err(), "it is left alone")
}

func TestConversationsThatDoNotEnd(t *testing.T) {
	t.Parallel()
	model := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"error":{"message":"no such key","type":"invalid_request_error","code":"invalid_api_key"}}`)
	}))
	defer model.Close()
	var stdout, stderr bytes.Buffer
	opts := options(&stdout, &stderr)
	opts.JSON = true
	opts.Executor = "openai"
	opts.Environ = []string{"OPENAI_API_KEY=sk-wrong", "OPENAI_BASE_URL=" + model.URL, "OPENAI_MODEL=some-model"}
	err := demo.Run(t.Context(), opts)
	require.ErrorContains(t, err, "3 of 3 have not")
	require.Equal(t, 1, demo.ExitCode(err))
	require.Contains(t, stderr.String(), "needs attention: turn 1 · reply")
	require.NotContains(t, stderr.String(), "sk-wrong")

	var got demo.Result
	require.NoError(t, json.Unmarshal(stdout.Bytes(), &got), "the result is printed all the same")
	require.Equal(t, "needs_attention", got.Conversations[0].Outcome)
}

func TestNoConversations(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, demo.Run(t.Context(), demo.Options{Conversations: -1}), "there must be at least one")
}

// until calls then once a text has been written.
type until struct {
	text string
	then func()

	mu  sync.Mutex
	out strings.Builder
}

func (u *until) Write(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	n, err := u.out.Write(p)
	if strings.Contains(u.out.String(), u.text) {
		u.then()
	}
	return n, err
}

func (u *until) String() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.out.String()
}

// runWorker runs the worker as the command does.
func runWorker(ctx context.Context, w demo.Worker) error {
	return process.Serve(ctx, process.Settings{
		Source: config.Source{
			Lookup:    w.Lookup,
			ReadFile:  func(string) ([]byte, error) { return nil, fs.ErrNotExist },
			Executor:  w.Executor,
			TaskQueue: w.TaskQueue,
		},
		Drain:  time.Second,
		Logger: slog.New(slog.NewTextHandler(w.Log, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
}
