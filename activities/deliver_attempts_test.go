package activities_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
)

// receiver is the other side of callbacks.
type receiver struct {
	keys []string
	on   func(ctx context.Context) (int, error)
}

func (r *receiver) Deliver(ctx context.Context, _, key string, _ conversation.TaskResult) (int, error) {
	r.keys = append(r.keys, key)
	if r.on != nil {
		return r.on(ctx)
	}
	return 204, nil
}

// deliveries is what an attempt at a callback leaves by heartbeat.
type deliveries struct {
	Made int  `json:"made,omitempty"`
	Open bool `json:"open,omitempty"`
	Lost int  `json:"lost,omitempty"`
}

func deliver(t *testing.T, r activities.Callbacks, left *deliveries, in activities.DeliverInput) (activities.DeliverResult, []deliveries, error) {
	t.Helper()
	e := newEnvWith(t, activities.Config{Executors: oneExecutor{}, Callbacks: r})
	if left != nil {
		e.SetHeartbeatDetails(*left)
	}
	var beats []deliveries
	e.SetOnActivityHeartbeatListener(func(_ *activity.Info, details converter.EncodedValues) {
		var d deliveries
		if details.HasValues() && details.Get(&d) == nil {
			beats = append(beats, d)
		}
	})
	in.Result.ExecutionID = "run-7"
	out, err := run[activities.DeliverResult](t, e, e.activities.Deliver, in)
	return out, beats, err
}

// Every attempt has the same key, by which the receiver recognises a request that it has.
func TestCallbackKey(t *testing.T) {
	t.Parallel()
	r := &receiver{}
	for made := range 3 {
		out, _, err := deliver(t, r, nil, activities.DeliverInput{Attempts: 4, Made: made})
		require.NoError(t, err)
		require.Equal(t, 204, out.Code)
	}
	require.Len(t, r.keys, 3)
	require.Contains(t, r.keys[0], "/run-7")
	require.Equal(t, r.keys[0], r.keys[1])
	require.Equal(t, r.keys[0], r.keys[2])
}

// A request whose worker was lost does not count, a few times: the receiver may not have
// it. After that each counts, so that a worker that dies of the request does not repeat it
// for ever.
func TestCallbackWorkerLost(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		left deliveries
		want activities.DeliverResult
		sent bool
	}{
		"before its first request ended": {deliveries{Made: 1, Open: true}, delivered(1), true},
		"for the third time":             {deliveries{Made: 2, Open: true, Lost: 2}, delivered(2), true},
		"for the fourth time":            {deliveries{Made: 2, Open: true, Lost: 3}, delivered(3), true},
		"in the last attempt":            {deliveries{Made: 4, Open: true}, delivered(4), true},
		"in the last, once too often": {deliveries{Made: 4, Open: true, Lost: 3}, activities.DeliverResult{Delivery: conversation.Delivery{
			State: conversation.DeliveryFailed, Attempts: 4, Error: "callback: the worker was lost during the last attempt: it is not known whether the callback has arrived",
		}}, false},
		"after the answer": {deliveries{Made: 2}, delivered(3), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &receiver{}
			out, beats, err := deliver(t, r, &tt.left, activities.DeliverInput{Attempts: 4})
			require.NoError(t, err)
			require.Equal(t, tt.want, out)
			require.Equal(t, tt.sent, len(r.keys) == 1)
			if tt.sent {
				require.Contains(t, beats, deliveries{Made: tt.want.Attempts, Open: true, Lost: beats[len(beats)-1].Lost}, "the request is recorded before it is made")
			}
		})
	}
}

func delivered(attempts int) activities.DeliverResult {
	return activities.DeliverResult{Delivery: conversation.Delivery{State: conversation.DeliveryDelivered, Attempts: attempts, Code: 204}}
}

// What a failed request means for the next.
func TestCallbackFailures(t *testing.T) {
	t.Parallel()
	private := &conversation.Error{
		Kind: conversation.Invalid, Op: "callback", Err: errors.New("address 10.0.0.1 is private"), Remedy: "set allow_private_callbacks to permit it",
	}
	for name, tt := range map[string]struct {
		err    error
		made   int
		none   bool // the worker has no callbacks
		run    string
		failed string            // in the delivery's error: it is a result
		kind   conversation.Kind // of the error: it is retried
		delay  time.Duration
	}{
		"a private address is final":    {err: private, failed: "address 10.0.0.1 is private (set allow_private_callbacks to permit it)"},
		"no callbacks here":             {none: true, failed: "this worker sends no callbacks"},
		"Retry-After is waited for":     {err: &conversation.Error{Kind: conversation.RateLimited, Op: "callback", Err: errors.New("429"), RetryAfter: time.Minute}, kind: conversation.RateLimited, delay: time.Minute},
		"Retry-After of the last":       {err: &conversation.Error{Kind: conversation.RateLimited, Op: "callback", Err: errors.New("429"), RetryAfter: time.Minute}, made: 3, failed: "429"},
		"the run was reset":             {run: "another run", made: 3, kind: conversation.Reset},
		"an error without a kind":       {err: errors.New("reset by peer"), kind: conversation.Unavailable},
		"an error without one, in last": {err: errors.New("reset by peer"), made: 3, failed: "reset by peer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &receiver{on: func(context.Context) (int, error) { return 0, tt.err }}
			var on activities.Callbacks = r
			if tt.none {
				on = nil
			}
			out, _, err := deliver(t, on, nil, activities.DeliverInput{Attempts: 4, Made: tt.made, Run: tt.run})
			if tt.kind != "" {
				detailsOf(t, tt.kind, err)
				var app *temporal.ApplicationError
				require.ErrorAs(t, err, &app)
				require.Equal(t, tt.delay, app.NextRetryDelay())
				require.Equal(t, tt.kind == conversation.Reset, len(r.keys) == 0)
				return
			}
			require.NoError(t, err, "the task itself has not failed")
			require.Equal(t, conversation.DeliveryFailed, out.State)
			require.Contains(t, out.Error, tt.failed)
			require.Equal(t, tt.made+len(r.keys), out.Attempts, "only requests count")
		})
	}
}

// A receiver that does not answer is cut off in time for the attempt's result.
func TestCallbackWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{on: func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, &conversation.Error{Kind: conversation.Unavailable, Op: "callback", Err: ctx.Err(), Ambiguous: true}
		}}
		_, _, err := deliver(t, r, nil, activities.DeliverInput{Attempts: 4})
		require.True(t, detailsOf(t, conversation.Unavailable, err).Ambiguous)
	})
}
