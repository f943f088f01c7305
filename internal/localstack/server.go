package localstack

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"time"

	"github.com/parley-run/parley/internal/localstack/child"
)

const (
	// startTimeout bounds the start of a server: a loaded machine takes some seconds.
	startTimeout = 90 * time.Second
	// stopTimeout bounds the stop of a server.
	stopTimeout = 5 * time.Second
)

// A server is a Temporal server that runs as a child process.
type server struct {
	name   string
	proc   *child.Process
	stdin  io.Closer
	stderr *child.Tail
	grace  time.Duration

	mu      sync.Mutex
	stopped bool
}

// launch starts the command of a server. Each line of its stdout goes to onLine.
func launch(name string, cmd *exec.Cmd, opts Options, onLine func(string)) (*server, error) {
	s := &server{name: name, stderr: &child.Tail{}, grace: opts.grace}
	cmd.Stdout = child.Lines(onLine)
	cmd.Stderr = io.MultiWriter(child.Lines(s.stderr.Add), opts.Stderr)
	// The pipe stays open for the life of this process: its end makes the devserver stop.
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	s.stdin = stdin
	if s.proc, err = child.Start(cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return s, nil
}

// await waits for ready to be closed. If it is not closed in time, it stops the server.
func (s *server) await(ctx context.Context, ready <-chan struct{}) error {
	timer := time.NewTimer(startTimeout)
	defer timer.Stop()
	select {
	case <-ready:
		return nil
	case <-s.proc.Done():
		return s.died()
	case <-ctx.Done():
		s.stop()
		return fmt.Errorf("start %s: %w", s.name, context.Cause(ctx))
	case <-timer.C:
		s.stop()
		return fmt.Errorf("start %s: not ready after %s%s", s.name, startTimeout, s.lastWords())
	}
}

// died says how the server exited, unless it runs or was stopped.
func (s *server) died() error {
	s.mu.Lock()
	stopped := s.stopped
	s.mu.Unlock()
	if stopped || !s.proc.Ended() {
		return nil
	}
	how := "exit status 0"
	if err := s.proc.Err(); err != nil {
		how = err.Error()
	}
	return fmt.Errorf("%s has exited by itself (%s)%s", s.name, how, s.lastWords())
}

func (s *server) lastWords() string {
	if words := s.stderr.String(); words != "" {
		return "; its last output:\n" + words
	}
	return ""
}

func (s *server) stop() {
	s.mu.Lock()
	if !s.proc.Ended() { // an exit before the request to stop stays an error
		s.stopped = true
	}
	s.mu.Unlock()
	s.proc.Stop(s.grace)
	_ = s.stdin.Close()
}
