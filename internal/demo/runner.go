package demo

import (
	"context"
	"errors"
	"fmt"
)

// A runner runs the worker in the background.
type runner struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error // read after done
}

// startRunner runs the worker until stop. The end of ctx does not stop it: it must stop
// before the parts it depends on.
func startRunner(ctx context.Context, run func(context.Context) error) *runner {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &runner{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = run(ctx)
	}()
	return r
}

// died is the error of a worker that has stopped by itself.
func (r *runner) died() error {
	<-r.done
	err := r.err
	if err == nil {
		err = errors.New("it was not asked to")
	}
	return fmt.Errorf("demo: the worker has stopped: %w", err)
}

// stop stops the worker and returns an error of the stop. An earlier error has been
// returned by died.
func (r *runner) stop() error {
	select {
	case <-r.done:
		return nil
	default:
	}
	r.cancel()
	<-r.done
	if r.err != nil && !errors.Is(r.err, context.Canceled) {
		return fmt.Errorf("demo: stop the worker: %w", r.err)
	}
	return nil
}
