package activities

import (
	"container/list"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/lease"
)

// calls are the requests to models and tools of this worker that are under way, and
// the results of those that ended a moment ago, by what was asked.
//
// An attempt that has timed out, because a heartbeat did not reach the server in time,
// does not cancel its call: the call has been paid for. The next attempt on this worker
// joins it. A call that the workflow cancels is cancelled.
type calls struct {
	// wanted reports whether Temporal will start another attempt of the activity.
	wanted func(context.Context, activity.Info) bool
	limit  int           // of bytes kept
	keep   time.Duration // how long a result is kept

	mu    sync.Mutex
	by    map[string]*call
	ended *list.List // of *call whose results are kept, oldest in front
	bytes int
	wait  sync.WaitGroup
}

// Bounds on the results that are kept for an attempt that may follow.
const (
	keptCalls     = 5 * time.Minute
	keptCallBytes = 16 << 20
	callOverhead  = 1 << 10
	// orphanCheck is how often Temporal is asked whether another attempt will come for
	// a call that no attempt waits for.
	orphanCheck = 10 * time.Second
)

func newCalls(wanted func(context.Context, activity.Info) bool) *calls {
	return &calls{wanted: wanted, limit: keptCallBytes, keep: keptCalls, by: make(map[string]*call), ended: list.New()}
}

// A call is one request.
type call struct {
	key    string
	holder lease.Shared
	done   chan struct{}

	// Set before done is closed.
	result any
	err    error
	size   int
	at     time.Time

	mu      sync.Mutex
	cancel  context.CancelCauseFunc // nil: it has ended
	owner   *attempt                // the newest attempt that waits for it; nil: none
	token   *json.RawMessage
	onToken func(token json.RawMessage)
}

// attached is called with a token by which the provider's run can be found.
func (k *call) attached(token json.RawMessage) {
	k.mu.Lock()
	k.token = &token
	onToken := k.onToken
	k.mu.Unlock()
	if onToken != nil {
		onToken(token)
	}
}

// join makes a the attempt that the call is for.
func (k *call) join(a *attempt, onToken func(json.RawMessage)) {
	k.mu.Lock()
	if k.cancel != nil {
		k.holder.Pass(a.live)
	}
	k.owner, k.onToken = a, onToken
	token := k.token
	k.mu.Unlock()
	if token != nil && onToken != nil {
		onToken(*token)
	}
}

// stop cancels the call if it has not ended.
func (k *call) stop(cause error) {
	k.mu.Lock()
	cancel := k.cancel
	k.mu.Unlock()
	if cancel != nil {
		cancel(cause)
	}
}

// release lets go of the attempts of a call that has ended: a result that is kept needs none
// of their contexts, which are larger than it.
func (k *call) release() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.cancel = nil
	k.holder.Drop()
}

func (k *call) ownedBy(a *attempt) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.owner == a
}

// leave ends a's part in the call, and reports whether the call was for it.
func (k *call) leave(a *attempt) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.owner != a {
		return false
	}
	k.owner, k.onToken = nil, nil
	return true
}

// do returns the result of the call that key names, which must include all that
// matters about it: of one that is there, or of a new one, made by fn. Before a new one
// begins, announce is called, and its error ends do: nothing was called then. onToken, if
// not nil, is called with tokens for as long as do waits. Results without an error are
// kept for a time; fn returns their size.
func (c *calls) do(
	ctx context.Context, a *attempt, key string, onToken func(json.RawMessage), announce func() error,
	fn func(ctx context.Context, attached func(json.RawMessage)) (result any, size int, err error),
) (result any, joined bool, err error) {
	k := c.find(key, nil)
	if joined = k != nil; !joined {
		if err := announce(); err != nil {
			return nil, false, err
		}
		// Another attempt on this worker may have begun the call meanwhile.
		mine := &call{key: key, done: make(chan struct{})}
		k = c.find(key, func() *call {
			c.start(ctx, mine, fn, func() { mine.join(a, onToken) })
			return mine
		})
		joined = k != mine
	}
	if joined {
		k.join(a, onToken)
	}
	defer k.leave(a)
	select {
	case <-k.done:
		return k.result, joined, k.err
	case <-ctx.Done():
	}
	cause := context.Cause(ctx)
	if !k.ownedBy(a) {
		return nil, joined, cause
	}
	if givenUp(cause) {
		k.leave(a)
		c.wait.Go(func() { c.orphan(k, a) })
		return nil, joined, cause
	}
	k.stop(plainCause(cause))
	<-k.done
	return k.result, joined, k.err
}

// find returns the call of that key, or else what begin returns, if it is not nil.
func (c *calls) find(key string, begin func() *call) *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expire()
	if c.by[key] == nil && begin != nil {
		c.by[key] = begin()
	}
	return c.by[key]
}

// start makes the call in a context that outlives the attempt, but not its deadline. It calls
// join before the call begins.
func (c *calls) start(
	ctx context.Context, k *call, fn func(context.Context, func(json.RawMessage)) (any, int, error), join func(),
) {
	own, cancel := context.WithCancelCause(lease.With(context.WithoutCancel(ctx), &k.holder))
	k.cancel = cancel
	free := context.CancelFunc(func() {})
	if deadline, ok := ctx.Deadline(); ok {
		own, free = context.WithDeadline(own, deadline)
	}
	join()
	c.wait.Go(func() {
		defer cancel(nil)
		defer free()
		result, size, err := recovering(own, func() (any, int, error) { return fn(own, k.attached) })
		c.finish(k, result, size+callOverhead, err)
	})
}

// recovering makes an error of a panic: the call runs outside of the activity's goroutine,
// where Temporal would do so, and must not end the process.
func recovering(ctx context.Context, fn func() (any, int, error)) (result any, size int, err error) {
	defer func() {
		if p := recover(); p != nil {
			activity.GetLogger(ctx).Error("A call panicked", "panic", p, "stack", string(debug.Stack()))
			result, size = nil, 0
			err = &conversation.Error{Kind: conversation.Unavailable, Op: "call", Err: fmt.Errorf("panic: %v", p), Ambiguous: true}
		}
	}()
	return fn()
}

func (c *calls) finish(k *call, result any, size int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k.result, k.size, k.err, k.at = result, size, err, time.Now()
	k.release()
	close(k.done)
	if err != nil || size > c.limit {
		delete(c.by, k.key)
		return
	}
	c.ended.PushBack(k)
	c.bytes += size
	c.expire()
}

// expire forgets what is old, or too much.
func (c *calls) expire() {
	for e := c.ended.Front(); e != nil; e = c.ended.Front() {
		k := e.Value.(*call)
		if time.Since(k.at) < c.keep && c.bytes <= c.limit {
			return
		}
		c.ended.Remove(e)
		c.bytes -= k.size
		delete(c.by, k.key)
	}
}

// orphan watches a call that no attempt waits for. It ends once an attempt has joined,
// and cancels a call that none will join.
func (c *calls) orphan(k *call, last *attempt) {
	stopping := activity.GetWorkerStopChannel(last.sdk)
	tick := time.NewTicker(orphanCheck)
	defer tick.Stop()
	for {
		if !k.ownedBy(nil) {
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(last.sdk), orphanCheck)
		wanted := c.wanted(ctx, last.info)
		cancel()
		if !wanted && k.ownedBy(nil) {
			k.stop(context.Canceled)
		}
		select {
		case <-k.done:
			return
		case <-stopping:
			if k.ownedBy(nil) {
				k.stop(errHandOver)
			}
			return
		case <-tick.C:
		}
	}
}

// givenUp reports whether an attempt has ended without the workflow's wish: another
// may follow.
func givenUp(cause error) bool {
	gone := (*serviceerror.NotFound)(nil)
	return errors.Is(cause, lease.ErrNotCurrent) || errors.As(cause, &gone) ||
		errors.Is(cause, activity.ErrActivityPaused) || errors.Is(cause, activity.ErrActivityReset)
}

// A describer knows what a workflow waits for. [client.Client] is one.
type describer interface {
	DescribeWorkflowExecution(ctx context.Context, workflowID, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error)
}

// wanted reports whether Temporal will start another attempt of the activity. It returns
// true where that is not known.
func (c *Conversation) wanted(ctx context.Context, info activity.Info) bool {
	d, ok := c.heartbeats.(describer)
	if !ok {
		return true
	}
	about, err := d.DescribeWorkflowExecution(ctx, info.WorkflowExecution.ID, info.WorkflowExecution.RunID)
	gone := (*serviceerror.NotFound)(nil)
	switch {
	case errors.As(err, &gone):
		return false
	case err != nil:
		return true
	case about.GetWorkflowExecutionInfo().GetStatus() != enums.WORKFLOW_EXECUTION_STATUS_RUNNING:
		return false
	}
	for _, pending := range about.GetPendingActivities() {
		if pending.GetActivityId() == info.ActivityID {
			return pending.GetState() != enums.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED
		}
	}
	return false
}
