package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/lease"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/platformtest"
)

// inside runs fn in the context of an activity whose worker stops when stopping is closed.
func inside(t *testing.T, stopping chan struct{}, fn func(ctx context.Context)) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	e := suite.NewTestActivityEnvironment()
	e.SetWorkerStopChannel(stopping)
	f := func(ctx context.Context) error { fn(ctx); return nil }
	e.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: "inside"})
	_, err := e.ExecuteActivity("inside")
	require.NoError(t, err)
}

// The drain time begins when the worker begins to stop, and two seconds of it are kept for
// recording. A context that ended for another reason is not handed over.
func TestWithDrain(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		stops, cancelled, drain time.Duration // zero: not
		after                   time.Duration
		handedOver              bool
	}{
		"the worker stops":                 {stops: time.Minute, drain: 30 * time.Second, after: time.Minute + 28*time.Second, handedOver: true},
		"it stops at once":                 {stops: time.Minute, after: time.Minute, handedOver: true},
		"less than recording takes":        {stops: time.Minute, drain: time.Second, after: time.Minute, handedOver: true},
		"the workflow cancels":             {cancelled: time.Second, drain: 30 * time.Second, after: time.Second},
		"the workflow cancels in the rest": {stops: time.Minute, cancelled: time.Minute + time.Second, drain: 30 * time.Second, after: time.Minute + time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				stopping := make(chan struct{})
				inside(t, stopping, func(ctx context.Context) {
					ctx, cancel := context.WithCancel(ctx)
					defer cancel()
					work, stop := withDrain(ctx, tt.drain)
					begin := time.Now()
					if tt.stops > 0 {
						time.AfterFunc(tt.stops, func() { close(stopping) })
					}
					if tt.cancelled > 0 {
						time.AfterFunc(tt.cancelled, cancel)
					}
					<-work.Done()
					require.Equal(t, tt.after, time.Since(begin))
					require.Equal(t, tt.handedOver, handedOver(work))
					stop()
				})
			})
		})
	}
}

// Executors and tools know nothing of Temporal: they see context.Canceled where the
// conversation is over, and the cause itself otherwise.
func TestPlainCause(t *testing.T) {
	t.Parallel()
	require.Equal(t, context.Canceled, plainCause(temporal.NewCanceledError("by the workflow")))
	for _, cause := range []error{errHandOver, worker.ErrWorkerShutdown, context.DeadlineExceeded} {
		require.Equal(t, cause, plainCause(cause))
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(fmt.Errorf("around: %w", worker.ErrWorkerShutdown))
	require.True(t, handedOver(ctx))
	require.False(t, handedOver(t.Context()))
}

// counsel gives advice.
type counsel struct {
	platforms.Platform
	sentences []string
}

func (c *counsel) Advice() []string { return c.sentences }

// A platform's advice is in the poll's status for as long as it holds, and in the log once.
func TestAdvise(t *testing.T) {
	t.Parallel()
	inside(t, nil, func(ctx context.Context) {
		var a advised
		a.advise(ctx, PollInput{}, &platformtest.FakeTasks{})
		require.Empty(t, a.advice, "it gives none")
		p := &counsel{Platform: &platformtest.FakeTasks{}, sentences: []string{"key expires soon", "agent is disabled"}}
		a.advise(ctx, PollInput{}, p)
		require.Equal(t, p.sentences, a.advice)
		require.Len(t, a.logged, 2)
		p.sentences = p.sentences[:1]
		a.advise(ctx, PollInput{}, p)
		require.Equal(t, []string{"key expires soon"}, a.advice)
		require.True(t, a.logged["agent is disabled"], "it is not logged again if it returns")
		p.sentences = nil
		for n := range 2 * maxAdvised {
			p.sentences = append(p.sentences, fmt.Sprint("sentence ", n))
		}
		a.advise(ctx, PollInput{}, p)
		require.Equal(t, p.sentences[:shownAdvice], a.advice, "a status is bounded")
		require.LessOrEqual(t, len(a.logged), maxAdvised, "and so is what is remembered")
	})
}

// attemptReports keeps what workflows learn of failed attempts.
type attemptReports struct{ all []AttemptReport }

func (r *attemptReports) Failed(_ context.Context, _, _ string, report AttemptReport) error {
	r.all = append(r.all, report)
	return errors.New("the workflow is gone") // changes nothing
}

// A workflow learns of the first failed attempt and of each power of two: a step that is
// retried for days does not fill its history. The last failure it gets as the error.
func TestAttemptReports(t *testing.T) {
	t.Parallel()
	err := &conversation.Error{Kind: conversation.RateLimited, Op: "send", Err: errors.New("slow down"), Remedy: "raise the limit"}
	r := &attemptReports{}
	inside(t, nil, func(ctx context.Context) {
		for n := range 20 {
			a := &attempt{
				Conversation: &Conversation{reports: r, metrics: noMetrics()}, sdk: ctx, step: "exchange", clock: newClock(ctx, 0),
				info: activity.Info{Attempt: int32(n + 1), ActivityID: "7", RetryPolicy: retries(20)},
			}
			failed := a.fail(err, ErrorDetails{})
			var app *temporal.ApplicationError
			require.ErrorAs(t, failed, &app)
			require.Equal(t, string(conversation.RateLimited), app.Type())
		}
	})
	var numbers []int
	for _, report := range r.all {
		numbers = append(numbers, report.Attempt)
		require.Equal(t, "exchange", report.Step)
		require.Equal(t, "7", report.ActivityID)
		require.Equal(t, 20, report.Of)
		require.Equal(t, conversation.RateLimited, report.Kind)
		require.Equal(t, "raise the limit", report.Remedy)
		require.Contains(t, report.Reason, "slow down")
		require.True(t, report.Next.After(report.At))
	}
	require.Equal(t, []int{1, 2, 4, 8, 16}, numbers)
}

// Attempts of activities that handed the step over count, and an attempt that is not the
// current one counts for nothing.
func TestAttemptsAreCountedOverHandOvers(t *testing.T) {
	t.Parallel()
	r := &attemptReports{}
	inside(t, nil, func(ctx context.Context) {
		a := &attempt{
			Conversation: &Conversation{reports: r, metrics: noMetrics()}, sdk: ctx, step: "reply", clock: newClock(ctx, 0),
			info: activity.Info{Attempt: 1, RetryPolicy: retries(20)}, before: 3, limit: 5,
		}
		require.Equal(t, 4, a.number())
		var app *temporal.ApplicationError
		require.ErrorAs(t, a.fail(errors.New("down"), ErrorDetails{}), &app)
		require.False(t, app.NonRetryable())
		require.Equal(t, 5, r.all[0].Of)
		a.info.Attempt = 2
		require.ErrorAs(t, a.fail(errors.New("down"), ErrorDetails{}), &app)
		require.True(t, app.NonRetryable(), "it was the fifth of five")
		lost := notCurrent(errors.New("timed out"))
		require.Equal(t, lost, a.fail(lost, ErrorDetails{}))
		require.Len(t, r.all, 1)
	})
}

// joined is an attempt that waits for a call.
func joined(ctx context.Context, c *Conversation) *attempt {
	a := &attempt{Conversation: c, sdk: ctx, info: activity.GetInfo(ctx)}
	a.work, a.live = hold(ctx, nil, nil, nil)
	return a
}

func wantedAlways(context.Context, activity.Info) bool { return true }

// Results are kept for a time and within a size, so that an attempt whose record was lost
// finds them; failures are not.
func TestCallsKeepResults(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		inside(t, nil, func(ctx context.Context) {
			c := newCalls(wantedAlways)
			c.limit = 10 * callOverhead
			a := joined(ctx, nil)
			defer a.live.stop()
			made := map[string]int{}
			do := func(key string, size int, err error) (any, bool, error) {
				return c.do(a.work, a, key, nil, unannounced, func(context.Context, func(json.RawMessage)) (any, int, error) {
					made[key]++
					return made[key], size, err
				})
			}
			for _, again := range []bool{false, true, true} {
				got, joined, err := do("kept", 1, nil)
				require.NoError(t, err)
				require.Equal(t, again, joined)
				require.Equal(t, 1, got)
			}
			_, _, err := do("fails", 1, errors.New("down"))
			require.ErrorContains(t, err, "down")
			require.False(t, c.has("fails"))
			_, _, err = do("large", 10*callOverhead, nil)
			require.NoError(t, err)
			require.False(t, c.has("large"), "larger than all of it")
			require.True(t, c.has("kept"))
			require.Nil(t, c.by["kept"].cancel, "a result that is kept holds no attempt")
			require.ErrorIs(t, c.by["kept"].holder.Hold(ctx), lease.ErrNotCurrent)
			for n := range 9 {
				_, _, err = do(fmt.Sprint("more ", n), callOverhead/8, nil)
				require.NoError(t, err)
			}
			require.False(t, c.has("kept"), "the oldest goes first")
			require.LessOrEqual(t, c.bytes, c.limit)
			require.True(t, c.has("more 8"))
			time.Sleep(keptCalls + time.Second)
			require.False(t, c.has("more 8"), "it is too old")
			require.Zero(t, c.bytes)
			require.Empty(t, c.by)
			c.wait.Wait()
		})
	})
}

// A call whose attempt has timed out goes on while Temporal will start another attempt, is
// cancelled once it will not, and is handed over when the worker stops.
func TestCallsWithoutAnAttempt(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		wantedFor time.Duration // after the attempt was lost
		stops     time.Duration
		answers   time.Duration
		joins     time.Duration
		cause     error // of the call's end; nil: it is answered
		ended     time.Duration
	}{
		"no other attempt comes":   {answers: time.Hour, cause: context.Canceled},
		"none comes any more":      {wantedFor: 25 * time.Second, answers: time.Hour, cause: context.Canceled, ended: 30 * time.Second},
		"answered before it comes": {wantedFor: time.Hour, answers: time.Minute, ended: time.Minute},
		"the worker stops":         {wantedFor: time.Hour, stops: 5 * time.Second, answers: time.Hour, cause: errHandOver, ended: 5 * time.Second},
		"another attempt joins":    {wantedFor: 3 * time.Second, joins: 2 * time.Second, answers: time.Minute, ended: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				stopping := make(chan struct{})
				inside(t, stopping, func(ctx context.Context) {
					begin := time.Now()
					c := newCalls(func(context.Context, activity.Info) bool { return time.Since(begin) < tt.wantedFor })
					var ended time.Duration
					var cause error
					call := func(ctx context.Context, _ func(json.RawMessage)) (any, int, error) {
						defer func() { ended = time.Since(begin) }()
						select {
						case <-time.After(tt.answers):
							return "answer", 1, nil
						case <-ctx.Done():
							cause = context.Cause(ctx)
							return nil, 0, cause
						}
					}
					first := joined(ctx, nil)
					first.live.cancel(notCurrent(errors.New("timed out")))
					_, _, err := c.do(first.work, first, "k", nil, unannounced, call)
					require.ErrorIs(t, err, lease.ErrNotCurrent)
					if tt.stops > 0 {
						time.AfterFunc(tt.stops, func() { close(stopping) })
					}
					if tt.joins > 0 {
						time.Sleep(tt.joins)
						second := joined(ctx, nil)
						got, did, err := c.do(second.work, second, "k", nil, unannounced, call)
						require.NoError(t, err)
						require.True(t, did)
						require.Equal(t, "answer", got)
						second.live.stop()
					}
					c.wait.Wait()
					first.live.stop()
					require.Equal(t, tt.cause, cause)
					require.Equal(t, tt.ended, ended)
				})
			})
		})
	}
}

// A token that is known already reaches an attempt that joins later.
func TestCallsPassTokensOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		inside(t, nil, func(ctx context.Context) {
			c := newCalls(wantedAlways)
			call := func(_ context.Context, attached func(json.RawMessage)) (any, int, error) {
				attached(json.RawMessage(`"run-1"`))
				time.Sleep(time.Minute)
				attached(json.RawMessage(`"run-2"`))
				return "answer", 1, nil
			}
			var mu sync.Mutex
			tokens := map[string][]string{}
			keep := func(of string) func(json.RawMessage) {
				return func(token json.RawMessage) {
					mu.Lock()
					defer mu.Unlock()
					tokens[of] = append(tokens[of], string(token))
				}
			}
			first, second := joined(ctx, nil), joined(ctx, nil)
			time.AfterFunc(time.Second, func() { first.live.cancel(notCurrent(errors.New("timed out"))) })
			_, _, err := c.do(first.work, first, "k", keep("first"), unannounced, call)
			require.ErrorIs(t, err, lease.ErrNotCurrent)
			_, _, err = c.do(second.work, second, "k", keep("second"), unannounced, call)
			require.NoError(t, err)
			require.Equal(t, map[string][]string{"first": {`"run-1"`}, "second": {`"run-1"`, `"run-2"`}}, tokens)
			c.wait.Wait()
			first.live.stop()
			second.live.stop()
		})
	})
}

// describing is a Temporal that describes workflows.
type describing struct {
	server
	out *workflowservice.DescribeWorkflowExecutionResponse
	err error
}

func (d *describing) DescribeWorkflowExecution(context.Context, string, string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	return d.out, d.err
}

// Whether another attempt will come for a call. Where that is not known it may.
func TestWanted(t *testing.T) {
	t.Parallel()
	of := func(status enums.WorkflowExecutionStatus, pending ...*workflow.PendingActivityInfo) *workflowservice.DescribeWorkflowExecutionResponse {
		return &workflowservice.DescribeWorkflowExecutionResponse{
			WorkflowExecutionInfo: &workflow.WorkflowExecutionInfo{Status: status}, PendingActivities: pending,
		}
	}
	const running = enums.WORKFLOW_EXECUTION_STATUS_RUNNING
	for name, tt := range map[string]struct {
		temporal HeartbeatClient
		want     bool
	}{
		"it cannot be asked":      {&server{}, true},
		"it does not answer":      {&describing{err: serviceerror.NewUnavailable("down")}, true},
		"no such run":             {&describing{err: serviceerror.NewNotFound("gone")}, false},
		"the run is over":         {&describing{out: of(enums.WORKFLOW_EXECUTION_STATUS_TERMINATED, &workflow.PendingActivityInfo{ActivityId: "7"})}, false},
		"the activity is pending": {&describing{out: of(running, &workflow.PendingActivityInfo{ActivityId: "6"}, &workflow.PendingActivityInfo{ActivityId: "7"})}, true},
		"it is cancelled":         {&describing{out: of(running, &workflow.PendingActivityInfo{ActivityId: "7", State: enums.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED})}, false},
		"another is pending":      {&describing{out: of(running, &workflow.PendingActivityInfo{ActivityId: "8"})}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &Conversation{heartbeats: tt.temporal}
			require.Equal(t, tt.want, c.wanted(t.Context(), activity.Info{ActivityID: "7"}))
		})
	}
}

// completing keeps how activities were completed.
type completing struct {
	server
	done []client.CompleteActivityOptions
}

func (c *completing) CompleteActivityWithOptions(_ context.Context, options client.CompleteActivityOptions) error {
	c.done = append(c.done, options)
	return errors.New("not delivered") // the server notices the missing heartbeats
}

// A watch goes on after its activity function has returned, and completes the activity
// itself, unless another attempt has it.
func TestWatchCompletesItsActivity(t *testing.T) {
	t.Parallel()
	of := conversation.Ref{Platform: "fake", ID: "c"}
	for name, tt := range map[string]struct {
		meanwhile func(p *platformtest.FakeTasks, stopping chan struct{})
		answer    error // of heartbeats, after a minute
		result    WatchResult
		none      bool // it is not completed
		err       func(error) bool
	}{
		"cancelled":               {meanwhile: func(p *platformtest.FakeTasks, _ chan struct{}) { p.Cancel(of) }, result: WatchResult{Cancelled: true}},
		"the worker stops":        {meanwhile: func(_ *platformtest.FakeTasks, stopping chan struct{}) { close(stopping) }, result: WatchResult{HandedOver: true}},
		"another attempt has it":  {answer: serviceerror.NewNotFound("activity"), none: true},
		"the workflow cancels it": {answer: temporal.NewCanceledError(), err: func(err error) bool { return temporal.IsCanceledError(err) }},
		"Temporal is slow meantime": {answer: serviceerror.NewUnavailable("busy"), meanwhile: func(p *platformtest.FakeTasks, _ chan struct{}) {
			time.AfterFunc(time.Minute, func() { p.Cancel(of) })
		}, result: WatchResult{Cancelled: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := &platformtest.FakeTasks{}
				p.Add(of, conversation.Task{})
				w, stopping := watchesOf(p, of)
				c := &completing{}
				begin := time.Now()
				c.answer = func(context.Context, int) error {
					if time.Since(begin) < time.Minute {
						return nil
					}
					return tt.answer
				}
				w.heartbeats = c
				w.info = activity.Info{TaskToken: []byte("token"), ActivityType: activity.Type{Name: WatchName}}
				if tt.meanwhile != nil {
					time.AfterFunc(time.Minute, func() { tt.meanwhile(p, stopping) })
				}
				w.beside(t.Context())
				if tt.none {
					require.Empty(t, c.done)
					return
				}
				require.Len(t, c.done, 1)
				require.Equal(t, []byte("token"), c.done[0].TaskToken)
				require.Equal(t, WatchName, c.done[0].ActivityType)
				require.Equal(t, tt.result, c.done[0].Result)
				if tt.err != nil {
					require.True(t, tt.err(c.done[0].Err), "%v", c.done[0].Err)
				}
			})
		})
	}
}

// A task's watch leaves its activity at once, so that it takes no activity slot, and Wait
// waits for it.
func TestWatchLeavesItsActivity(t *testing.T) {
	t.Parallel()
	p := &platformtest.FakeTasks{}
	of := conversation.Ref{Platform: "fake", ID: "c"}
	p.Add(of, conversation.Task{})
	all, err := platformsOf(map[string]platforms.Instance{"fake": {Platform: p}, "peer": {Platform: &platformtest.FakeTransport{}}}, nil)
	require.NoError(t, err)
	stopping, h := make(chan struct{}), &completing{}
	c := &Conversation{platforms: all, metrics: noMetrics(), heartbeats: h}
	c.calls = newCalls(wantedAlways)
	inside(t, stopping, func(ctx context.Context) {
		out, err := c.Watch(ctx, WatchInput{Ref: of})
		require.Equal(t, activity.ErrResultPending, err)
		require.Zero(t, out)
		close(stopping)
		c.Wait()
		require.Equal(t, WatchResult{HandedOver: true}, h.done[0].Result)

		var app *temporal.ApplicationError
		_, err = c.Watch(ctx, WatchInput{Ref: conversation.Ref{Platform: "peer", ID: "c"}})
		require.ErrorAs(t, err, &app)
		require.Equal(t, string(conversation.Invalid), app.Type(), "it has no tasks")
		_, err = c.Watch(ctx, WatchInput{Ref: conversation.Ref{Platform: "none"}})
		require.ErrorAs(t, err, &app)
		require.Equal(t, string(conversation.Unavailable), app.Type())
	})
}

// has reports whether there is a call of that key to join.
func (c *calls) has(key string) bool { return c.find(key, nil) != nil }

func unannounced() error { return nil }
