package executortest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
)

// Fake is an executor for tests: it answers, waits and fails as its fields say, and
// remembers what it was asked. The zero value answers every turn with "reply 1",
// "reply 2" and so on. Set the fields before the first call; the methods are
// safe for concurrent use.
type Fake struct {
	// Reply answers. Nil: "reply <turn>".
	Reply func(ctx context.Context, req executors.Request) (executors.Result, error)
	// Latency is how long an answer takes. Nil: no time.
	Latency func(req executors.Request) time.Duration
	// OnCall, if not nil, is called at the start of every call: a signal for
	// tests that act while a call is under way.
	OnCall func(req executors.Request)
	// Unavailable is what Check returns. Nil: available.
	Unavailable error

	mu       sync.Mutex
	failures map[int][]error
	requests []executors.Request
	paid     map[string]int
}

var (
	_ executors.Executor = (*Fake)(nil)
	_ executors.Checker  = (*Fake)(nil)
)

// FailTurn makes the first attempts of a turn fail, one error each, in every
// conversation. Attempts beyond the errors given succeed.
func (f *Fake) FailTurn(turn int, errs ...error) *Fake {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failures == nil {
		f.failures = make(map[int][]error)
	}
	f.failures[turn] = errs
	return f
}

// Execute records the request and then fails, waits and answers as the fields say.
func (f *Fake) Execute(ctx context.Context, req executors.Request) (executors.Result, error) {
	if f.OnCall != nil {
		f.OnCall(req)
	}
	if err := f.begin(req); err != nil {
		return executors.Result{}, err
	}
	if f.Latency != nil {
		timer := time.NewTimer(f.Latency(req))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		return executors.Result{}, &conversation.Error{Kind: conversation.Unavailable, Op: "fake: reply", Err: ctx.Err()}
	}
	if f.Reply != nil {
		return f.Reply(ctx, req)
	}
	text := fmt.Sprintf("reply %d", req.Turn)
	if req.OnDelta != nil {
		req.OnDelta(text)
	}
	return executors.Result{
		Message:      conversation.Text(conversation.RoleAssistant, text),
		Usage:        conversation.Usage{InputTokens: 10, OutputTokens: 2, Calls: 1},
		Provider:     "fake",
		Model:        "fake-1",
		FinishReason: executors.FinishStop,
	}, nil
}

// begin records the request and returns the error that is due, if one is. A
// call without one is paid for from here on, as with a provider that charges
// for an answer although the caller no longer waits.
func (f *Fake) begin(req executors.Request) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	req.Messages = slices.Clone(req.Messages)
	f.requests = append(f.requests, req)
	if errs, i := f.failures[req.Turn], max(req.Attempt, 1)-1; i < len(errs) && errs[i] != nil {
		return errs[i]
	}
	if f.paid == nil {
		f.paid = make(map[string]int)
	}
	f.paid[req.IdempotencyKey]++
	return nil
}

// Check returns Unavailable.
func (f *Fake) Check(context.Context) error { return f.Unavailable }

// Requests returns every request so far, in the order they came.
func (f *Fake) Requests() []executors.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.requests)
}

// Attempts returns the attempt numbers seen under an idempotency key.
func (f *Fake) Attempts(key string) []int {
	var out []int
	for _, req := range f.Requests() {
		if req.IdempotencyKey == key {
			out = append(out, req.Attempt)
		}
	}
	return out
}

// Paid returns how often each idempotency key was charged: once is right.
func (f *Fake) Paid() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make(map[string]int, len(f.paid))
	for key, n := range f.paid {
		out[key] = n
	}
	return out
}

// Duplicates returns how many answers were bought more than once.
func (f *Fake) Duplicates() int {
	n := 0
	for _, times := range f.Paid() {
		n += times - 1
	}
	return n
}
