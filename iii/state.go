package iii

import (
	"context"
	"fmt"
)

// State is the state of a [Worker]'s connection.
type State int

// The states of a [Worker].
const (
	// Connecting: there has been no connection yet.
	Connecting State = iota
	// Connected: the engine has greeted; functions and triggers are announced.
	Connected
	// Reconnecting: the connection broke, or an attempt failed. [Worker.Err] has the
	// cause; an [*Error] with [CodeAuth] means that the engine refuses the credentials.
	Reconnecting
	// Failed: the engine rejected this worker, because another has its name. This is
	// final; [Worker.Err] wraps [ErrRejected].
	Failed
	// Closed: by Shutdown, by Close or by the end of Connect's context.
	Closed
)

// String is the state in lower case, such as "connected".
func (s State) String() string {
	names := []string{"connecting", "connected", "reconnecting", "failed", "closed"}
	if s < 0 || int(s) >= len(names) {
		return fmt.Sprintf("State(%d)", int(s))
	}
	return names[s]
}

// State is the state of the worker's connection; [Worker.Err] is the cause if it is not
// [Connected].
func (w *Worker) State() State {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state
}

// Err is why there is no connection: the last attempt's error. Nil while connected, and
// before the first attempt has ended.
func (w *Worker) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// Done is closed once the worker is [Failed] or [Closed].
func (w *Worker) Done() <-chan struct{} { return w.done }

// WaitConnected returns once the worker is connected. Its error wraps the context's
// error and the last attempt's, or [ErrRejected], or [ErrClosed].
func (w *Worker) WaitConnected(ctx context.Context) error {
	for {
		w.mu.Lock()
		state, err, changed := w.state, w.err, w.changed
		w.mu.Unlock()
		switch state {
		case Connected:
			return nil
		case Failed, Closed:
			return fmt.Errorf("iii: %w", err)
		case Connecting, Reconnecting:
		}
		select {
		case <-changed:
		case <-ctx.Done():
			if err == nil {
				return fmt.Errorf("iii: connect to %s: %w", w.at.shown, ctx.Err())
			}
			return fmt.Errorf("iii: %w; %w", ctx.Err(), err)
		}
	}
}

type notice struct {
	state State
	err   error
}

func (w *Worker) setState(state State, err error) {
	w.mu.Lock()
	w.change(state, err)
	w.mu.Unlock()
	w.notify()
}

// change needs Worker.mu.
func (w *Worker) change(state State, err error) {
	w.state, w.err = state, err
	close(w.changed)
	w.changed = make(chan struct{})
	if w.opts.OnState != nil {
		w.notices = append(w.notices, notice{state, err})
	}
}

// notify calls OnState for each change it has not been called for.
func (w *Worker) notify() {
	if w.opts.OnState == nil {
		return
	}
	w.noticing.Lock()
	defer w.noticing.Unlock()
	w.mu.Lock()
	notices := w.notices
	w.notices = nil
	w.mu.Unlock()
	for _, n := range notices {
		w.opts.OnState(n.state, n.err)
	}
}
