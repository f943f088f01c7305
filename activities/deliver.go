package activities

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/lease"
)

// Defaults for callbacks without settings of their own.
const (
	DefaultCallbackTimeout = 30 * time.Second
	DefaultCallbackRetries = 3
)

// The most that a task may ask for: its acknowledgement waits for the callback.
const (
	maxCallbackTimeout = time.Hour
	maxCallbackRetries = 1000
)

// spareAttempts are for attempts whose worker died or stopped: the task's settings do not
// count them.
const spareAttempts = 3

// CallbackAttempts is how many attempts a callback has.
func CallbackAttempts(c conversation.Callback) int {
	retries := DefaultCallbackRetries
	if c.Retries != nil {
		retries = min(max(0, *c.Retries), maxCallbackRetries)
	}
	return retries + 1
}

// Callbacks deliver the results of tasks.
type Callbacks interface {
	// Deliver posts the result once. The key is the same for every attempt. The
	// status is that of the answer, and 0 without one. An error of kind Invalid is
	// final.
	Deliver(ctx context.Context, url, key string, result conversation.TaskResult) (status int, err error)
}

// DeliverInput asks for a task's result to be delivered to its callback.
type DeliverInput struct {
	Callback conversation.Callback   `json:"callback"`
	Result   conversation.TaskResult `json:"result"`
	// Attempts is how many attempts it has: see [CallbackAttempts].
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
	// Failed, with HandedOver, is how many attempts at this activity had failed. The
	// hand-over itself is none.
	Failed int `json:"failed,omitempty"`
}

// DeliverOptions follow the task's own settings: a wait of 1, 2, 4 … seconds, at
// most a minute, between attempts.
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
			MaximumAttempts:    int32(CallbackAttempts(c) + spareAttempts),
		},
	}
}

// deliveryProgress is what an attempt at a callback leaves behind, by heartbeat.
type deliveryProgress struct {
	// Made counts the requests, of all activities and attempts.
	Made int `json:"made,omitempty"`
	// Open means that the last request has begun, and its end is not known.
	Open bool `json:"open,omitempty"`
	// Lost counts the requests whose worker was lost. They are not in Made: the
	// receiver may not have them, and recognises the next one by its key.
	Lost int `json:"lost,omitempty"`
}

// resumed is the progress of the attempt after the one that left p.
func (p deliveryProgress) resumed() deliveryProgress {
	if p.Open && p.Lost < spareAttempts {
		p.Made, p.Lost = p.Made-1, p.Lost+1
	}
	p.Open = false
	return p
}

// Deliver makes one attempt at a callback. A failed last attempt, or a failure that another
// attempt would repeat, is a result: the task itself has not failed. Only an attempt that
// has made its request counts.
func (c *Conversation) Deliver(ctx context.Context, in DeliverInput) (DeliverResult, error) {
	progress := deliveryProgress{Made: in.Made}
	if p := earlier[deliveryProgress](ctx, nil); p != nil {
		progress = p.resumed()
	}
	a := c.begin(ctx, "callback", conversation.Ref{}, progress)
	defer a.end()
	status, err := a.deliver(a.work, in, &progress)
	state := conversation.Delivery{State: conversation.DeliveryDelivered, Attempts: progress.Made, Code: status}
	switch {
	case err == nil:
		return DeliverResult{Delivery: state}, nil
	case a.handsOver():
		return DeliverResult{HandedOver: true, Failed: failedAttempts(ctx), Delivery: conversation.Delivery{Attempts: progress.Made}}, nil
	case a.sdk.Err() != nil || progress.Made < in.Attempts && !conversation.IsKind(err, conversation.Invalid),
		conversation.IsKind(err, conversation.Reset), errors.Is(err, lease.ErrNotCurrent):
		a.before = progress.Made - int(a.info.Attempt)
		return DeliverResult{}, a.fail(err, ErrorDetails{})
	}
	c.metrics.failure(ctx, "callback", conversation.KindOf(err))
	a.traceFailure(err)
	a.report(err, -1)
	state.State, state.Error = conversation.DeliveryFailed, clip(err.Error())
	return DeliverResult{Delivery: state}, nil
}

func (a *attempt) deliver(ctx context.Context, in DeliverInput, progress *deliveryProgress) (status int, err error) {
	if err := checkRun(ctx, in.Run); err != nil {
		return 0, err
	}
	fault := func(text string) error {
		return &conversation.Error{Kind: conversation.Invalid, Op: "callback", Err: errors.New(text)}
	}
	switch {
	case a.callbacks == nil:
		return 0, fault("this worker sends no callbacks")
	case in.Attempts > 0 && progress.Made >= in.Attempts:
		return 0, fault("the worker was lost during the last attempt: it is not known whether the callback has arrived")
	}
	next := deliveryProgress{Made: progress.Made + 1, Open: true, Lost: progress.Lost}
	if err := a.record(ctx, next, "callback"); err != nil {
		return 0, err
	}
	if err := a.act(ctx, "callback"); err != nil {
		a.live.leave(*progress)
		return 0, err
	}
	*progress = next
	ctx, cancel := context.WithDeadline(ctx, a.info.Deadline.Add(-5*time.Second))
	defer cancel()
	status, err = a.callbacks.Deliver(ctx, in.Callback.URL, a.info.WorkflowExecution.ID+"/"+in.Result.ExecutionID, in.Result)
	progress.Open = false
	if err != nil {
		a.live.leave(*progress)
	}
	return status, err
}
