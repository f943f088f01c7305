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

// watchEvery is how often a platform is asked whether a task that runs has been
// cancelled, and how long it may take to say so: with a heartbeat before each look,
// the two stay well below heartbeatTimeout.
const watchEvery = 5 * time.Second

// WatchInput asks to watch for the cancellation of a task.
type WatchInput struct {
	Ref     conversation.Ref  `json:"ref"`
	Receipt platforms.Receipt `json:"receipt,omitzero"`
}

// WatchResult says why watching has ended.
type WatchResult struct {
	// Cancelled means that the task's result is not wanted any more.
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

// Watch ends once nobody wants the task's result any more. A platform that does
// not answer is asked again: the run does not depend on it.
//
// It returns at once and goes on beside the worker's activities: a watch for each
// task that waits for its turn would otherwise take the places of the replies
// that they wait for.
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

// A watch is one attempt at a Watch.
type watch struct {
	*Conversation
	in       WatchInput
	tasks    platforms.Tasks
	info     activity.Info
	stopping <-chan struct{}
}

// beside runs the watch outside of its activity, and ends that. It returns soon after
// the worker was told to stop: see [Conversation.Wait].
func (w *watch) beside(ctx context.Context) {
	token := w.info.TaskToken
	work, stop := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() { // a stopping worker waits for no answer
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
		return w.heartbeats.RecordActivityHeartbeat(ctx, token)
	})
	stop()
	<-over
	if isClosed(w.stopping) {
		result, err = WatchResult{HandedOver: true}, nil
	}
	if gone := (*serviceerror.NotFound)(nil); errors.As(err, &gone) {
		return // the run is over, or another attempt watches
	}
	ctx, cancel := context.WithTimeout(ctx, watchEvery)
	defer cancel()
	// If the server is not told, it notices that no heartbeat comes.
	_ = w.heartbeats.CompleteActivityWithOptions(ctx, client.CompleteActivityOptions{
		TaskToken: token, Result: result, Err: err, Namespace: w.info.Namespace,
		WorkflowID: w.info.WorkflowExecution.ID, WorkflowType: w.info.WorkflowType.Name,
		ActivityType: w.info.ActivityType.Name, TaskQueue: w.info.TaskQueue,
	})
}

// run looks again and again. beat tells the server that somebody does, and its
// error that the server wants nobody to.
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
		if err := beat(ctx); unwanted(err) {
			return WatchResult{}, err
		}
		look, cancel := context.WithTimeout(ctx, watchEvery)
		cancelled, err := w.tasks.Cancelled(look, w.in.Ref, w.in.Receipt)
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

// unwanted reports whether a heartbeat's error means that the activity is over. All
// others pass.
func unwanted(err error) bool {
	var gone *serviceerror.NotFound
	return temporal.IsCanceledError(err) || errors.Is(err, context.Canceled) || errors.As(err, &gone)
}
