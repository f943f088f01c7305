package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-run/parley/internal/idle"
	"github.com/parley-run/parley/workflows"
)

// A Slice is what a worker process has done from its start to its end.
type Slice struct {
	Reason  EndReason
	Runtime time.Duration
	// Steps are the activities that the worker has begun, and Conversations how many
	// conversations they belong to.
	Steps         int
	Conversations int
	// Open are the conversations of the task queue that are left, and Waiting those of them
	// that wait for an operator. Below zero: not known.
	Open    int
	Waiting int
}

// An EndReason is why a worker process has ended.
type EndReason string

// The reasons.
const (
	EndStopped    EndReason = "stopped"     // by its context: a signal
	EndIdle       EndReason = "idle"        // Settings.UntilIdle
	EndMaxRuntime EndReason = "max_runtime" // Settings.MaxRuntime
)

// Causes of the end of a slice.
var (
	errIdle       = errors.New("idle")
	errMaxRuntime = errors.New("the maximum runtime is over")
)

// ErrNoWork: a slice was over before the worker had begun to work.
var ErrNoWork = errors.New("the maximum runtime has passed before the worker began to work")

// ServeSlice is Serve, and says how it went.
func ServeSlice(ctx context.Context, s Settings) (Slice, error) {
	s = s.withDefaults()
	slice := &slice{idleFor: s.UntilIdle, log: s.Logger, began: time.Now(), out: Slice{Open: -1, Waiting: -1}}
	if s.UntilIdle > 0 || s.MaxRuntime > 0 {
		slice.meter = idle.NewMeter()
	}
	inner, stop := slice.bound(ctx, s.MaxRuntime)
	defer stop()
	err := s.serve(inner, slice)
	switch {
	case ctx.Err() != nil:
		if err != nil && !errors.Is(err, context.Canceled) {
			s.Logger.Info("stopped while starting", "reason", err)
		}
		return slice.result(EndStopped), nil
	case inner.Err() == nil:
		return slice.result(""), err
	case !slice.working.Load():
		return slice.result(EndMaxRuntime), slice.noWork(s.MaxRuntime, err)
	case errors.Is(context.Cause(inner), errIdle):
		return slice.result(EndIdle), err
	}
	return slice.result(EndMaxRuntime), err
}

// slice is the state of ServeSlice.
type slice struct {
	idleFor time.Duration
	meter   *idle.Meter // nil: the process does not end by itself
	log     *slog.Logger
	began   time.Time
	working atomic.Bool
	ready   chan struct{} // closed when the worker works
	cancel  context.CancelCauseFunc
	// awaited is why Temporal is waited for. Nil: it is not.
	awaited error
	out     Slice
}

// noWork says why a slice has not begun to work in its time.
func (l *slice) noWork(most time.Duration, err error) error {
	fault := fmt.Errorf("process: %w (%v)", ErrNoWork, most.Round(time.Second/10))
	switch {
	case l.awaited != nil:
		return fmt.Errorf("%w: waiting for Temporal: %w", fault, l.awaited)
	case err != nil && !errors.Is(err, context.Canceled):
		return fmt.Errorf("%w: %w", fault, err)
	}
	return fault
}

// bound returns the context of the whole process.
func (l *slice) bound(ctx context.Context, most time.Duration) (context.Context, func()) {
	l.ready = make(chan struct{})
	ctx, cancel := context.WithCancelCause(ctx)
	l.cancel = cancel
	if most <= 0 {
		return ctx, func() { cancel(nil) }
	}
	timer := time.AfterFunc(most, func() {
		l.log.Info("this worker ends: its maximum runtime is over", "max_runtime", most.String())
		cancel(errMaxRuntime)
	})
	return ctx, func() { timer.Stop(); cancel(nil) }
}

// add has the worker counted.
func (l *slice) add(o *Options) {
	o.OnWork = func() { l.working.Store(true); close(l.ready) }
	if l.meter != nil {
		o.Interceptors = append(o.Interceptors, l.meter)
	}
}

// follow ends the process once the worker is idle, until stop is called.
func (l *slice) follow(ctx context.Context, w *idle.Watch) (stop func()) {
	if l.idleFor <= 0 {
		return func() {}
	}
	w.For, w.Meter = l.idleFor, l.meter
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		select {
		case <-ctx.Done():
			return
		case <-l.ready:
		}
		if w.Wait(ctx) == nil {
			l.log.Info("this worker ends: it is idle", "until_idle", l.idleFor.String())
			l.cancel(errIdle)
		}
	})
	return func() { cancel(); running.Wait() }
}

// countWithin is how long Temporal may take to say what is left.
const countWithin = 5 * time.Second

// leave counts and logs what a slice leaves.
func (l *slice) leave(ctx context.Context, look *Overview) {
	if l.meter == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), countWithin)
	defer cancel()
	open := look.running(workflows.ConversationName)
	waiting := fmt.Sprintf("%s AND %s IN ('%s')", open, workflows.KeyStatus.GetName(), strings.Join([]string{
		string(workflows.StateNeedsAttention), string(workflows.StateNeedsApproval), string(workflows.StatePaused),
	}, "', '"))
	for _, n := range []struct {
		query string
		to    *int
	}{{open, &l.out.Open}, {waiting, &l.out.Waiting}} {
		count, err := look.count(ctx, n.query)
		if err != nil {
			l.log.Warn("cannot count the conversations that are left", "error", err)
			break
		}
		*n.to = int(count)
	}
	out := l.result("")
	l.log.Info("what this slice has done", "runtime", out.Runtime.Round(time.Millisecond).String(),
		"conversations", out.Conversations, "steps", out.Steps, "open", out.Open, "wait_for_operator", out.Waiting)
}

func (l *slice) result(reason EndReason) Slice {
	out := l.out
	out.Reason, out.Runtime = reason, time.Since(l.began)
	if l.meter != nil {
		out.Steps, out.Conversations = l.meter.Counts()
	}
	return out
}
