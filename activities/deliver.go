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

// CallbackAttempts is how many attempts a callback has.
func CallbackAttempts(c conversation.Callback) int {
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
	// Attempts is how often it is tried: see [CallbackAttempts].
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
			MaximumAttempts:    int32(CallbackAttempts(c) + spareTries),
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
	if p.Open && p.Lost < spareTries {
		p.Made, p.Lost = p.Made-1, p.Lost+1
	}
	p.Open = false
	return p
}

// Deliver makes one try at a callback. When it was the last, or another would be of
// no use, that is a result: the run itself has not failed. What counts as a try is a
// request: an attempt that a worker gives up before it is none.
func (c *Conversation) Deliver(ctx context.Context, in DeliverInput) (DeliverResult, error) {
	progress := deliveryProgress{Made: in.Made}
	if p := earlier[deliveryProgress](ctx, nil); p != nil {
		progress = p.resumed()
	}
	a := c.begin(ctx, "callback", progress)
	defer a.end()
	status, err := a.deliver(a.work, in, &progress)
	state := conversation.Delivery{State: conversation.DeliveryDelivered, Attempts: progress.Made, Code: status}
	switch {
	case err == nil:
		return DeliverResult{Delivery: state}, nil
	case a.handsOver():
		return DeliverResult{HandedOver: true, Failed: failedTries(ctx), Delivery: conversation.Delivery{Attempts: progress.Made}}, nil
	case a.sdk.Err() != nil || progress.Made < in.Attempts && !conversation.IsKind(err, conversation.Invalid),
		conversation.IsKind(err, conversation.Reset), errors.Is(err, lease.ErrNotCurrent):
		a.tries = progress.Made - int(a.info.Attempt)
		return DeliverResult{}, a.fail(err, ErrorDetails{})
	}
	c.metrics.failure(ctx, "callback", conversation.KindOf(err))
	a.tell(err, -1)
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
		return 0, fault("the worker was lost during the last try: it is not known whether the callback has arrived")
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
