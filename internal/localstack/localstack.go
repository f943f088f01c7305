package localstack

import (
	"context"
	"fmt"
	"os/exec"
	"time"

	"github.com/parley-run/parley/internal/localstack/build"
)

// A Stack is a Temporal server that is ready.
type Stack struct {
	// Address is the host:port of the server.
	Address string
	// UIURL is the address of the web UI. Empty: none was requested, or the server was
	// not started here.
	UIURL     string
	Namespace string
	// Server names the program: "devserver", "temporal version 1.5.0 …".
	Server string
	// Built is how long compiling the devserver took. Zero: it was not compiled.
	Built time.Duration

	server *server // nil: not started here
}

// Start finds, builds if necessary, and starts a server, and returns when it is ready.
// The context bounds the start only: the server runs until Close.
func Start(ctx context.Context, opts Options) (*Stack, error) {
	opts = opts.withDefaults()
	stack, err := start(ctx, opts)
	if err != nil {
		return nil, fmt.Errorf("localstack: %w", err)
	}
	opts.OnProgress(build.Progress{Step: build.StepReady, Detail: fmt.Sprintf("%s at %s", stack.Server, stack.Address)})
	return stack, nil
}

func start(ctx context.Context, opts Options) (*Stack, error) {
	if opts.Address != "" {
		return useGiven(ctx, opts)
	}
	if opts.Binary == "" && !opts.NoTemporalCLI {
		if path, err := exec.LookPath("temporal"); err == nil {
			version, err := cliVersion(ctx, path)
			if err == nil {
				return startCLI(ctx, opts, path, version)
			}
			opts.OnProgress(build.Progress{Step: build.StepFind, Detail: fmt.Sprintf("%s cannot be used (%v)", path, err)})
		}
	}
	binary, built := opts.Binary, time.Duration(0)
	if binary == "" {
		var err error
		cache := build.Cache{Dir: opts.CacheDir, SourceDir: opts.SourceDir, OnProgress: opts.OnProgress}
		if binary, built, err = cache.Devserver(ctx); err != nil {
			return nil, err
		}
	}
	stack, err := startDevserver(ctx, opts, binary)
	if err != nil {
		return nil, err
	}
	stack.Built = built
	return stack, nil
}

// Close stops the server, kills it after a few seconds, and returns when it is gone. It
// may be called more than once.
func (s *Stack) Close() {
	if s.server != nil {
		s.server.stop()
	}
}

// PID is the server's process id. Zero: it was not started here.
func (s *Stack) PID() int {
	if s.server == nil {
		return 0
	}
	return s.server.proc.PID()
}

// Done is closed when the server has exited for any reason. For a server that was not
// started here it is never closed.
func (s *Stack) Done() <-chan struct{} {
	if s.server == nil {
		return nil
	}
	return s.server.proc.Done()
}

// Err says why the server has exited by itself. It is nil while the server runs and
// after Close.
func (s *Stack) Err() error {
	if s.server == nil {
		return nil
	}
	if err := s.server.died(); err != nil {
		return fmt.Errorf("localstack: %w", err)
	}
	return nil
}
