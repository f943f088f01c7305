package activities

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

// watchEvery is how often the platform is asked whether a running task has been
// cancelled, and how long each request may take. A heartbeat precedes each request: both
// together stay well below heartbeatTimeout.
const watchEvery = 5 * time.Second

// WatchInput asks to watch for the cancellation of a task.
type WatchInput struct {
	Ref     conversation.Ref  `json:"ref"`
	Receipt platforms.Receipt `json:"receipt,omitzero"`
}

// WatchResult says why watching has ended.
type WatchResult struct {
	// Cancelled means that the platform has cancelled the task: it expects no result.
	Cancelled  bool `json:"cancelled,omitempty"`
	HandedOver bool `json:"handed_over,omitempty"`
}

// WatchOptions let a watch last as long as the run, and be moved to another worker
// in seconds.
func WatchOptions(run time.Duration) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		StartToCloseTimeout: run + time.Hour,
		HeartbeatTimeout:    heartbeatTimeout,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval:    time.Second,
			BackoffCoefficient: 2,
			MaximumInterval:    watchEvery,
		},
	}
}

// Watch ends once the platform has cancelled the task. If the platform does not answer,
// Watch asks again at the next interval: the run does not depend on it.
//
// Watch returns at once and continues outside of the worker's activity slots. Otherwise
// the watches of many tasks would occupy the slots that their replies need.
func (c *Conversation) Watch(ctx context.Context, in WatchInput) (WatchResult, error) {
	p, err := c.platform(in.Ref)
	if err != nil {
		return WatchResult{}, temporalError(err, conversation.Usage{})
	}
	tasks, err := p.tasks(in.Ref)
	if err != nil {
		return WatchResult{}, temporalError(err, conversation.Usage{})
	}
	w := &watch{
		Conversation: c, in: in, tasks: tasks,
		info: activity.GetInfo(ctx), stopping: activity.GetWorkerStopChannel(ctx),
	}
	if c.heartbeats == nil {
		return w.run(ctx, func(context.Context) error { activity.RecordHeartbeat(ctx); return ctx.Err() })
	}
	c.aside.Go(func() { w.beside(context.WithoutCancel(ctx)) })
	return WatchResult{}, activity.ErrResultPending
}

// A watch is one attempt of a Watch.
type watch struct {
	*Conversation
	in       WatchInput
	tasks    platforms.Tasks
	info     activity.Info
	stopping <-chan struct{}
}

// beside runs the watch after its activity function has returned, and completes the
// activity. It returns soon after the worker begins to stop: see [Conversation.Wait].
func (w *watch) beside(ctx context.Context) {
	work, stop := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() { // a stopping worker does not wait for the platform's answer
		defer close(over)
		select {
		case <-w.stopping:
			stop()
		case <-work.Done():
		}
	}()
	result, err := w.run(work, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, watchEvery)
		defer cancel()
		return w.heartbeats.RecordActivityHeartbeatWithOptions(ctx, heartbeat(w.info))
	})
	stop()
	<-over
	if isClosed(w.stopping) {
		result, err = WatchResult{HandedOver: true}, nil
	}
	if gone := (*serviceerror.NotFound)(nil); errors.As(err, &gone) {
		return // the run is over, or another attempt is the current one
	}
	ctx, cancel := context.WithTimeout(ctx, watchEvery)
	defer cancel()
	// Without this message the server notices that heartbeats are missing.
	_ = w.heartbeats.CompleteActivityWithOptions(ctx, client.CompleteActivityOptions{
		TaskToken: w.info.TaskToken, Result: result, Err: err, Namespace: w.info.Namespace,
		WorkflowID: w.info.WorkflowExecution.ID, WorkflowType: workflowType(w.info),
		ActivityType: w.info.ActivityType.Name, TaskQueue: w.info.TaskQueue,
	})
}

// run asks the platform at each interval. beat sends a heartbeat; its error says whether
// the activity is over.
func (w *watch) run(ctx context.Context, beat func(context.Context) error) (WatchResult, error) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-w.stopping:
			return WatchResult{HandedOver: true}, nil
		case <-ctx.Done():
			return WatchResult{}, ctx.Err()
		case <-tick.C:
		}
		if err := beat(ctx); isOver(err) {
			return WatchResult{}, err
		}
		request, cancel := context.WithTimeout(ctx, watchEvery)
		cancelled, err := w.tasks.Cancelled(request, w.in.Ref, w.in.Receipt)
		cancel()
		if cancelled {
			return WatchResult{Cancelled: true}, nil
		}
		if err != nil {
			w.metrics.failure(ctx, "watch", conversation.KindOf(err))
		}
	}
}

func isClosed(stopping <-chan struct{}) bool {
	select {
	case <-stopping:
		return true
	default:
		return false
	}
}

// isOver reports whether a heartbeat's error means that the activity is over. All other
// errors are temporary.
func isOver(err error) bool {
	var gone *serviceerror.NotFound
	return temporal.IsCanceledError(err) || errors.Is(err, context.Canceled) || errors.As(err, &gone)
}
