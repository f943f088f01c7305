package command

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/demo"
	"github.com/parley-run/parley/internal/localstack"
	"github.com/parley-run/parley/internal/process"
)

// A demonstration runs what "make demo" runs, with a worker that can be stopped and
// started again.
type demonstration struct {
	ready   chan demo.Result
	down    chan chan struct{} // stops the worker; closed when it has stopped
	up      chan struct{}      // starts it again
	workers atomic.Int64
}

// Write receives the demo's result.
func (d *demonstration) Write(p []byte) (int, error) {
	var result demo.Result
	if err := json.NewDecoder(bytes.NewReader(p)).Decode(&result); err != nil {
		return 0, err
	}
	d.ready <- result
	return len(p), nil
}

func (d *demonstration) run(ctx context.Context, w demo.Worker) error {
	for {
		serving, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() {
			ended <- process.Serve(serving, process.Settings{
				Source: config.Source{
					Lookup:   w.Lookup,
					ReadFile: func(string) ([]byte, error) { return nil, fs.ErrNotExist },
					Executor: w.Executor, TaskQueue: w.TaskQueue,
				},
				Drain:  time.Second,
				Logger: slog.New(slog.NewTextHandler(w.Log, &slog.HandlerOptions{Level: slog.LevelWarn})),
			})
		}()
		d.workers.Add(1)
		select {
		case err := <-ended:
			stop()
			return err
		case stopped := <-d.down:
			stop()
			if err := <-ended; err != nil {
				return err
			}
			close(stopped)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-d.up:
		}
	}
}

// TestChatOnTheDemo follows the documentation's first steps: the demo in one terminal, a
// chat without a configuration in another.
func TestChatOnTheDemo(t *testing.T) {
	t.Parallel()
	d := &demonstration{ready: make(chan demo.Result, 1), down: make(chan chan struct{}), up: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	all.Go(func() {
		err := demo.Run(ctx, demo.Options{
			Conversations: 1, JSON: true, Executor: "scripted", Environ: os.Environ(),
			Stack:         localstack.Options{Port: localstack.AnyPort, UIPort: localstack.AnyPort},
			SimulatorPort: localstack.AnyPort, RunWorker: d.run, Stdout: d, Stderr: io.Discard,
		})
		if err != nil {
			t.Errorf("the demo: %v", err)
		}
	})
	var result demo.Result
	select {
	case result = <-d.ready:
	case <-time.After(2 * time.Minute):
		require.FailNow(t, "the demo has no result")
	}
	environ := []string{"TEMPORAL_ADDRESS=" + result.TemporalAddress, "XDG_STATE_HOME=" + t.TempDir()}

	// Without a configuration, doctor is content with the demo.
	var said, remarks bytes.Buffer
	require.Equal(t, codeOK, run(t.Context(), []string{"doctor"}, environ, strings.NewReader(""), &said, &remarks), "%s%s", &said, &remarks)
	require.Contains(t, said.String(), "– configuration: there is none here")
	require.Contains(t, said.String(), "✓ workers: ")
	require.NotContains(t, said.String(), "✗")

	c := openTerminal(t, environ, "chat", "--id", "try")
	c.expect("conversation direct/agent/try")
	c.expect("you › ")
	c.enter("Hello!" + enter)
	c.expect("agent › ")
	c.expect("you › ")

	stopped := make(chan struct{})
	d.down <- stopped
	<-stopped
	c.enter("Where is my order?" + enter)
	c.expect(`no worker answers on task queue "parley": waiting`)
	d.up <- struct{}{}
	c.expect("agent › ")
	c.expect("you › ")
	c.enter(ctrlD)
	c.expect("To come back: starter chat agent --resume try")
	c.ends(0)

	c = openTerminal(t, environ, "chat", "agent", "--resume", "try")
	c.expect("you › Hello!")
	c.expect("you › Where is my order?")
	c.expect("agent › ")
	c.expect("you › ")
	c.enter("/end" + enter)
	c.expect("the conversation has ended")
	c.ends(0)
	require.EqualValues(t, 2, d.workers.Load())
}
