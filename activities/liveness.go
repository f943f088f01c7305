package activities

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/lease"
)

// A HeartbeatClient records a heartbeat at once. [client.Client] is one.
// activity.RecordHeartbeat is no match for it: all but an activity's first are
// held back for up to most of the heartbeat timeout, and it does not report when the
// server has one.
type HeartbeatClient interface {
	RecordActivityHeartbeatWithOptions(ctx context.Context, options client.RecordActivityHeartbeatOptions) error
	// CompleteActivityWithOptions ends an activity that has returned and is not over:
	// see [Conversation.Watch].
	CompleteActivityWithOptions(ctx context.Context, options client.CompleteActivityOptions) error
}

// A requester knows when the request began that brought an attempt's task. Temporal has
// started the attempt after that, so the request proves as much as a heartbeat that began
// at the same time. A task that came with the completion of a workflow task was requested a
// moment ago; one that a poll has waited for, perhaps a minute ago, which proves nothing.
type requester interface {
	// TaskRequested is when the request began that brought a task, and whether that was the
	// completion of the workflow task that has scheduled the activity.
	TaskRequested(token []byte) (began time.Time, eager bool)
	// TaskLost reports that the eager task with this ticket has never reached a worker.
	TaskLost(ticket string) bool
}

// heartbeat is a heartbeat of an activity. Everything in it but the token and the details
// is for a data converter that reads the converter.ActivitySerializationContext, and must
// say the same as the SDK does when it decodes them.
func heartbeat(info activity.Info, details ...any) client.RecordActivityHeartbeatOptions {
	return client.RecordActivityHeartbeatOptions{
		TaskToken: info.TaskToken, Details: details, Namespace: info.Namespace,
		WorkflowID: info.WorkflowExecution.ID, WorkflowType: workflowType(info),
		ActivityType: info.ActivityType.Name, TaskQueue: info.TaskQueue,
	}
}

// workflowType is empty for an activity without a workflow, as in tests.
func workflowType(info activity.Info) string {
	if info.WorkflowType == nil {
		return ""
	}
	return info.WorkflowType.Name
}

// liveness is an attempt's lease. It sends heartbeats for as long as the attempt
// runs, each with the newest details, so that a dead worker is noticed within the
// heartbeat timeout and the next attempt knows what this one had done. What Temporal
// acknowledges proves that the attempt is the current one, for a time: see
// [liveness.Hold].
//
// A heartbeat that is answered with a cancellation, or with "not found", ends the
// attempt's context. One that gets no answer ends nothing: a slow server is not a
// dead worker.
type liveness struct {
	client  HeartbeatClient
	lag     *lagMeter
	info    activity.Info
	timeout time.Duration // the heartbeat timeout
	// eager: this is the activity's first attempt, and its task came with the completion of
	// the workflow task before it.
	eager bool

	sdk       context.Context // the activity's own
	sdkRecord func(details ...any)
	cancel    context.CancelCauseFunc
	// wire is the context of requests under way.
	wire   context.Context
	hangUp context.CancelFunc

	mu      sync.Mutex
	detail  any // nil: none
	version int // of detail
	// proven is when the newest request began that shows the attempt to be the current
	// one: it brought the task, or was an acknowledged heartbeat.
	proven   time.Time
	lost     error // not nil: the attempt is not the current one
	notified bool  // the SDK knows of the cancellation
	flight   map[*beat]struct{}

	inOrder sync.Mutex // of heartbeats by the SDK

	quit chan struct{}
	wait sync.WaitGroup
}

// A beat is one request under way.
type beat struct {
	version    int
	cancel     context.CancelFunc
	superseded bool
}

// hold starts the heartbeats and returns the attempt's context, which carries the
// lease. Stop ends both. The details begin with what an earlier attempt left, so that a
// heartbeat of this one does not wipe it out.
func hold(ctx context.Context, client HeartbeatClient, lag *lagMeter, detail any) (context.Context, *liveness) {
	info := activity.GetInfo(ctx)
	l := &liveness{
		client: client, lag: lag, info: info, timeout: info.HeartbeatTimeout, detail: detail,
		sdk: ctx, sdkRecord: func(details ...any) { activity.RecordHeartbeat(ctx, details...) },
	}
	return l.start(ctx)
}

func (l *liveness) start(ctx context.Context) (context.Context, *liveness) {
	if c, ok := l.client.(requester); ok {
		l.proven, l.eager = c.TaskRequested(l.info.TaskToken)
	}
	l.flight, l.quit = make(map[*beat]struct{}), make(chan struct{})
	every := l.timeout / 3
	if l.timeout <= 0 {
		l.timeout = heartbeatTimeout
	}
	attempt, cancel := context.WithCancelCause(ctx)
	l.cancel = cancel
	l.wire, l.hangUp = context.WithCancel(context.WithoutCancel(ctx))
	if every > 0 {
		l.wait.Go(func() { l.keep(every) })
	}
	return lease.With(attempt, l), l
}

// keep sends a heartbeat each third of the timeout, unless one was acknowledged a
// moment ago. It goes on when the attempt's context is done: until the attempt has
// returned, it is the current one.
func (l *liveness) keep(every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-l.quit:
			return
		case <-ticker.C:
		}
		l.mu.Lock()
		recent := !l.proven.IsZero() && elapsed(l.proven) < every/2
		crowded := len(l.flight) > 1 // a server that is slow is not asked ever more often
		l.mu.Unlock()
		if !recent && !crowded {
			l.wait.Go(func() { _, _ = l.beat(l.wire) })
		}
	}
}

// elapsed is the time since t: by the monotonic clock, or by the wall clock if that
// says more, as after a machine has slept.
func elapsed(t time.Time) time.Duration {
	now := time.Now()
	return max(now.Sub(t), now.Round(0).Sub(t.Round(0)))
}

// margin is the part of the heartbeat timeout in which a lease is not relied on: an
// effect begins a moment after the check.
func (l *liveness) margin() time.Duration { return l.timeout / 5 }

// beat sends one heartbeat with the newest details and says which version of them it
// had. Requests with older details are called off first, so that the server does not
// take them for the newest. It returns errSuperseded if another beat called it off.
func (l *liveness) beat(ctx context.Context) (version int, err error) {
	if l.client == nil {
		return l.sdkBeat()
	}
	l.mu.Lock()
	if l.lost != nil {
		defer l.mu.Unlock()
		return l.version, l.lost
	}
	// A server that takes longer than the timeout to answer may have taken note all
	// the same: that it is slow is worth knowing.
	rpc, cancel := context.WithTimeout(l.wire, 2*l.timeout)
	defer cancel()
	b := &beat{version: l.version, cancel: cancel}
	for other := range l.flight {
		if other.version < b.version {
			other.superseded = true
			other.cancel()
		}
	}
	l.flight[b] = struct{}{}
	details := l.newest()
	l.mu.Unlock()
	defer context.AfterFunc(ctx, cancel)()

	begin := time.Now()
	err = l.client.RecordActivityHeartbeatWithOptions(rpc, heartbeat(l.info, details...))
	return b.version, l.answered(b, begin, err)
}

// sdkBeat leaves the heartbeat to the SDK.
func (l *liveness) sdkBeat() (version int, err error) {
	l.inOrder.Lock()
	defer l.inOrder.Unlock()
	l.mu.Lock()
	version = l.version
	l.mu.Unlock()
	l.sdkRecord(l.details()...)
	return version, l.sdk.Err()
}

var errSuperseded = errors.New("a heartbeat with newer details was sent instead")

// answered evaluates the server's answer.
func (l *liveness) answered(b *beat, begin time.Time, err error) error {
	gone := (*serviceerror.NotFound)(nil)
	cancelled := temporal.IsCanceledError(err) || errors.Is(err, activity.ErrActivityPaused) || errors.Is(err, activity.ErrActivityReset)
	l.mu.Lock()
	delete(l.flight, b)
	notify := false
	switch {
	case err == nil, cancelled:
		// A cancelled attempt is the current one too, until it has returned.
		if begin.After(l.proven) {
			l.proven = begin
		}
		l.lag.add(time.Since(begin))
		notify = cancelled && !l.notified
		l.notified = l.notified || cancelled
	case errors.As(err, &gone):
		l.lost = notCurrent(err)
	case b.superseded:
		err = errSuperseded
	}
	lost := l.lost
	l.mu.Unlock()
	switch {
	case lost != nil:
		l.cancel(lost)
		return lost
	case notify:
		l.cancel(err)
		// The SDK reports a cancellation as one only if it has received it itself.
		l.sdkRecord(l.details()...)
		return nil
	case cancelled:
		return nil
	}
	return err
}

func notCurrent(err error) error {
	return &conversation.Error{
		Kind: conversation.Unavailable, Op: "activity attempt", Err: fmt.Errorf("%w: %w", lease.ErrNotCurrent, err),
	}
}

func (l *liveness) details() []any {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.newest()
}

// newest is called with the lock held. Details that change by themselves are a
// function.
func (l *liveness) newest() []any {
	switch detail := l.detail.(type) {
	case nil:
		return nil
	case func() any:
		return []any{detail()}
	default:
		return []any{detail}
	}
}

func (l *liveness) set(detail any) (version int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.version++
	l.detail = detail
	return l.version
}

// note changes the details and does not wait: they reach the server soon, unless the
// process is killed before.
func (l *liveness) note(_ context.Context, detail any) {
	l.set(detail)
	l.wait.Go(func() { _, _ = l.beat(l.wire) })
}

// record changes the details and returns once the server has them, which also proves
// that the attempt is the current one.
func (l *liveness) record(ctx context.Context, detail any) error {
	version := l.set(detail)
	for {
		sent, err := l.beat(ctx)
		switch {
		case errors.Is(err, errSuperseded) && ctx.Err() == nil:
			continue // the newer details include these, but have to arrive
		case err != nil:
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return err
		case sent >= version:
			return ctx.Err()
		}
	}
}

// leave is record for what helps the next attempt but is not needed: it does not wait for
// a server that does not answer.
func (l *liveness) leave(detail any) {
	ctx, cancel := context.WithTimeout(l.wire, 5*time.Second)
	defer cancel()
	_ = l.record(ctx, detail)
}

// Hold returns nil if the attempt is provably the current one: the request that brought
// its task, or an acknowledged heartbeat, began less than the heartbeat timeout ago, less a
// margin. Otherwise it asks: a task may have lain in a frozen process, or been
// waited for. Without a client, as in tests, every attempt is current.
func (l *liveness) Hold(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if l.client == nil || l.fresh() {
		return l.isLost()
	}
	ask, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	var err error
	for err = errSuperseded; errors.Is(err, errSuperseded) && ask.Err() == nil; {
		_, err = l.beat(ask)
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, lease.ErrNotCurrent):
		return err
	case err == nil && l.fresh():
		return l.isLost()
	case err == nil:
		err = errors.New("the answer took too long to prove anything")
	}
	return &conversation.Error{
		Kind: conversation.Unavailable, Op: "activity attempt",
		Err:    fmt.Errorf("nothing was sent, because Temporal did not confirm that this attempt is still the current one: %w", err),
		Remedy: "check the connection to Temporal and the server's load",
	}
}

// neverBegun reports that the eager task with this ticket has never reached a worker, as far as
// this process knows.
func (l *liveness) neverBegun(ticket string) bool {
	c, ok := l.client.(requester)
	return ok && ticket != "" && c.TaskLost(ticket)
}

func (l *liveness) fresh() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.proven.IsZero() && elapsed(l.proven) < l.timeout-l.margin()
}

func (l *liveness) isLost() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// stop ends the heartbeats and the attempt's context, and waits for what is under
// way.
func (l *liveness) stop() {
	close(l.quit)
	l.hangUp()
	l.wait.Wait()
	l.cancel(nil)
}

// earlier is what the attempt before this one left by heartbeat, or else what a
// handed-over attempt left in the input.
func earlier[T any](ctx context.Context, input *T) *T {
	if activity.HasHeartbeatDetails(ctx) {
		var detail T
		if err := activity.GetHeartbeatDetails(ctx, &detail); err == nil {
			return &detail
		}
	}
	return input
}
