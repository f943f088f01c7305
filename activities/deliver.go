package activities

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/conversation"
)

// How a callback is tried that does not say.
const (
	DefaultCallbackTimeout = 30 * time.Second
	DefaultCallbackRetries = 3
)

// What a task may ask for at most: its acknowledgement waits for the callback.
const (
	maxCallbackTimeout = time.Hour
	maxCallbackRetries = 1000
)

// spareTries are for those whose worker died or stopped: they are not among the
// tries that the task's settings count.
const spareTries = 3

// Tries is how often a callback is tried.
func Tries(c conversation.Callback) int {
	retries := DefaultCallbackRetries
	if c.Retries != nil {
		retries = min(max(0, *c.Retries), maxCallbackRetries)
	}
	return retries + 1
}

// Callbacks tells addresses how tasks have ended.
type Callbacks interface {
	// Deliver posts the result once. The key is the same for every attempt. The
	// status is that of the answer, and 0 without one. An error of kind Invalid is
	// final.
	Deliver(ctx context.Context, url, key string, result conversation.TaskResult) (status int, err error)
}

// DeliverInput tells a callback's address how a task has ended.
type DeliverInput struct {
	Callback conversation.Callback   `json:"callback"`
	Result   conversation.TaskResult `json:"result"`
	// Attempts is how often it is tried: see [Tries].
	Attempts int `json:"attempts"`
	// Made counts the requests of activities before this one.
	Made int `json:"made,omitempty"`
	// Run is the run id that the workflow's state was built on: see [checkRun].
	Run string `json:"run,omitempty"`
}

// DeliverResult is how a callback went, unless it was handed over.
type DeliverResult struct {
	conversation.Delivery
	HandedOver bool `json:"handed_over,omitempty"`
	// Tries, with HandedOver, is how many attempts at this activity had failed. The
	// hand-over itself is none.
	Tries int `json:"tries,omitempty"`
}

// DeliverOptions follow the task's own settings: a wait of 1, 2, 4 … seconds, at
// most a minute, between tries.
func DeliverOptions(c conversation.Callback) workflow.ActivityOptions {
	timeout := min(c.Timeout, maxCallbackTimeout)
	if timeout <= 0 {
		timeout = DefaultCallbackTimeout
	}
	return workflow.ActivityOptions{
		StartToCloseTimeout: timeout + 5*time.Second,
		HeartbeatTimeout:    heartbeatTimeout,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval:    time.Second,
			BackoffCoefficient: 2,
			MaximumInterval:    time.Minute,
			MaximumAttempts:    int32(Tries(c) + spareTries),
		},
	}
}

// Deliver makes one try at a callback. When it was the last, or another would be of
// no use, that is a result: the run itself has not failed.
func (c *Conversation) Deliver(ctx context.Context, in DeliverInput) (DeliverResult, error) {
	live := keepAlive(ctx, c.heartbeats, nil)
	defer live.stop()
	info := activity.GetInfo(ctx)
	attempt := int(info.Attempt)
	work, cancel := context.WithDeadline(ctx, info.Deadline.Add(-5*time.Second))
	defer cancel()
	if c.callbacks == nil {
		return DeliverResult{Delivery: conversation.Delivery{State: conversation.DeliveryFailed, Error: "this worker sends no callbacks"}}, nil
	}
	status, err := c.callbacks.Deliver(work, in.Callback.URL, info.WorkflowExecution.ID+"/"+in.Result.ExecutionID, in.Result)
	switch {
	case err == nil:
		return DeliverResult{Delivery: conversation.Delivery{State: conversation.DeliveryDelivered, Attempts: attempt, Code: status}}, nil
	case errors.Is(ctx.Err(), context.Canceled) || attempt < in.Attempts && !conversation.IsKind(err, conversation.Invalid):
		return DeliverResult{}, c.failed(ctx, "callback", err, conversation.Usage{})
	}
	c.metrics.failure(ctx, "callback", conversation.KindOf(err))
	return DeliverResult{Delivery: conversation.Delivery{State: conversation.DeliveryFailed, Attempts: attempt, Code: status, Error: err.Error()}}, nil
}
