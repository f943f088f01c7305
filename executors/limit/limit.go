// Package limit is a wrapper that keeps an executor within what its provider
// allows: calls at a time, requests a minute, tokens a minute. All executors of
// the process that share a quota, which is a provider, an endpoint and a key,
// share one limiter; a [Pool] holds them.
//
// # Waiting
//
// A request that cannot go at once takes a place in a queue, first come, first
// served. If its turn comes within seconds, Execute waits for it. If not, Execute
// returns an error of kind RateLimited that wraps [ErrQueued] and says when the
// turn will be: the caller waits with a durable timer, not with a goroutine, and
// the place is kept for the next attempt with the same idempotency key. Nothing
// has been sent then, and the attempt is none that the conversation should be
// charged with. The limiter never fails a request for good.
//
// # Learning
//
// The limits in the configuration are upper bounds. A 429 pauses everything that
// shares the quota for as long as the provider asks, and halves the pace, which
// then recovers by a tenth of the limit every ten seconds. Where no rate is known
// the number of calls at a time is halved in its place, and grows by one a round
// of answers. A backend that passes on its provider's rate headers with
// [ReportHeaders] makes the limiter know the limits and what is left of them.
//
// What is known is known to this process: several workers with one key learn from
// the provider's answers that they are not alone.
package limit

import (
	"context"
	"errors"
	"fmt"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
)

// ErrQueued is in the chain of errors for requests that were not sent because
// it is not yet their turn. They are of kind RateLimited and have a RetryAfter.
var ErrQueued = errors.New("not sent yet, it waits for its turn")

// An Executor is one that keeps within limits. Create it with [New].
type Executor struct {
	next    executors.Executor
	cfg     Config
	limiter *limiter
}

var _ executors.Executor = (*Executor)(nil)

// New returns next within the limits of cfg. The pool is one for the whole
// process; executors with the same key share a limiter, and an error says so if
// they do not agree about its limits.
func New(pool *Pool, next executors.Executor, key Key, cfg Config) (*Executor, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("limits: %w", err)
	}
	cfg.setDefaults()
	key.Quota = cfg.Quota
	l, err := pool.limiter(key, cfg)
	if err != nil {
		return nil, fmt.Errorf("limits: %w", err)
	}
	return &Executor{next: next, cfg: cfg, limiter: l}, nil
}

// Execute waits for the request's turn and passes it on.
func (e *Executor) Execute(ctx context.Context, req executors.Request) (executors.Result, error) {
	g, err := e.limiter.acquire(ctx, req.IdempotencyKey, size(req), e.cfg.MaxWait)
	if err != nil {
		return executors.Result{}, err
	}
	var (
		result executors.Result
		call   = outcome{panicked: true}
	)
	defer func() { e.limiter.release(ctx, g, call) }() // also when next panics: a slot must not be lost
	result, err = e.next.Execute(withReporter(ctx, e.limiter), req)
	call = outcomeOf(result, err)
	return result, err
}

// Unwrap returns the executor within.
func (e *Executor) Unwrap() executors.Executor { return e.next }

// An outcome is what the limiter wants to know of a call.
type outcome struct {
	panicked bool
	err      error
	usage    conversation.Usage
}

func outcomeOf(result executors.Result, err error) outcome {
	o := outcome{err: err, usage: result.Usage}
	var ce *conversation.Error
	if errors.As(err, &ce) {
		o.usage = ce.Usage
	}
	return o
}

// throttled reports whether the provider asked to slow down, as opposed to
// another limiter further in.
func (o outcome) throttled() bool {
	return conversation.IsKind(o.err, conversation.RateLimited) && !errors.Is(o.err, ErrQueued)
}

// turnedAway reports whether the call cannot have cost any tokens.
func (o outcome) turnedAway() bool {
	switch conversation.KindOf(o.err) {
	case conversation.RateLimited, conversation.QuotaExhausted, conversation.Unauthorized, conversation.Invalid:
		return true
	}
	return false
}

// size is about the number of bytes the model has to read.
func size(req executors.Request) int {
	n := 0
	for _, m := range req.Messages {
		n += m.Size()
	}
	return n
}
