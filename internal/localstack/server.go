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
	// startTimeout bounds the start of a server that exists: a loaded machine
	// takes some seconds.
	startTimeout = 90 * time.Second
	// stopTimeout is how long a server may take to stop by itself.
	stopTimeout = 5 * time.Second
)

// A server is a Temporal server that runs as our child.
type server struct {
	name   string
	proc   *child.Process
	stdin  io.Closer
	stderr *child.Tail
	grace  time.Duration

	mu      sync.Mutex
	stopped bool
}

// launch starts the command of a server. Every line of its stdout goes to
// onLine.
func launch(name string, cmd *exec.Cmd, opts Options, onLine func(string)) (*server, error) {
	s := &server{name: name, stderr: &child.Tail{}, grace: opts.grace}
	cmd.Stdout = child.Lines(onLine)
	cmd.Stderr = io.MultiWriter(child.Lines(s.stderr.Add), opts.Stderr)
	// The pipe stays open as long as we live: its end tells the devserver that we
	// are gone.
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

// await waits for ready to be closed, and stops the server if it is not in time.
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

// died says how the server ended, unless it runs or we ended it.
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
	return fmt.Errorf("%s has ended by itself (%s)%s", s.name, how, s.lastWords())
}

func (s *server) lastWords() string {
	if words := s.stderr.String(); words != "" {
		return "; it said:\n" + words
	}
	return ""
}

func (s *server) stop() {
	s.mu.Lock()
	if !s.proc.Ended() { // one that died before we asked stays an error
		s.stopped = true
	}
	s.mu.Unlock()
	s.proc.Stop(s.grace)
	_ = s.stdin.Close()
}
