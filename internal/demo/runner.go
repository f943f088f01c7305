package demo

import (
	"context"
	"errors"
	"fmt"
)

// A runner is the worker, running beside us.
type runner struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error // to be read after done
}

// startRunner runs the worker until stop. The end of ctx does not end it: it
// has to end before what it depends on, and in order.
func startRunner(ctx context.Context, run func(context.Context) error) *runner {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &runner{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = run(ctx)
	}()
	return r
}

// died says why the worker has ended by itself.
func (r *runner) died() error {
	<-r.done
	err := r.err
	if err == nil {
		err = errors.New("nobody had asked it to")
	}
	return fmt.Errorf("demo: the worker has ended: %w", err)
}

// stop ends the worker and returns what went wrong while it did so. What it died
// of before has been reported by died.
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
