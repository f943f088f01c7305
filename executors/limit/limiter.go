package limit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/parley-run/parley/conversation"
)

const (
	// pauseUnsaid is how long a 429 without a delay holds everything back.
	pauseUnsaid = time.Second
	// leastDelay keeps requests that are given back from coming again at once.
	leastDelay = time.Second
	// usualCall and usualReply are guesses for as long as there was no call.
	usualCall  = 5 * time.Second
	usualReply = 500 // tokens, instructions included
	// bytesPerToken errs on the side of too many tokens.
	bytesPerToken = 4
)

// A limiter guards one quota.
type limiter struct {
	key      Key
	observer Observer // may be nil

	mu          sync.Mutex
	concurrency int // 0: nothing was said; negative: no bound
	inFlight    int
	requests    bucket
	tokens      bucket
	pace        pace
	window      window
	pausedUntil time.Time
	queue       queue
	timer       *time.Timer // dispatches the queue again
	calls       average     // seconds a call takes
	extra       average     // tokens a call takes beyond those of the messages
}

func newLimiter(key Key, observer Observer) *limiter { return &limiter{key: key, observer: observer} }

// A grant is the leave to make one call.
type grant struct {
	need  float64 // tokens taken in advance
	known float64 // those of them that the messages' size explains
	at    time.Time
}

// acquire returns once the request may be sent, or an error that says when to
// come again.
func (l *limiter) acquire(ctx context.Context, id string, size int, maxWait time.Duration) (*grant, error) {
	if ctx.Err() != nil {
		return nil, l.stopped(ctx)
	}
	begin := time.Now()
	if deadline, ok := ctx.Deadline(); ok {
		// A wait that leaves no time for the call is for nothing.
		maxWait = min(maxWait, max(0, deadline.Sub(begin)-time.Second))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	known := float64(size) / bytesPerToken
	l.queue.sweep(begin)
	t := l.queue.come(id, known+max(0, l.extra.or(usualReply)))
	l.dispatch(begin)
	if !t.granted && l.eta(t, begin) <= maxWait {
		l.mu.Unlock()
		timer := time.NewTimer(maxWait)
		select {
		case <-t.ready:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		l.mu.Lock()
	}
	now := time.Now()
	switch {
	case t.granted:
		l.observe(ctx, EventSent, now.Sub(begin), now)
		return &grant{need: t.need, known: known, at: now}, nil
	case ctx.Err() != nil:
		l.queue.remove(t)
		l.dispatch(now)
		return nil, l.stopped(ctx)
	default:
		return nil, l.giveBack(ctx, t, now)
	}
}

// giveBack keeps the place of a request and says when to come again.
func (l *limiter) giveBack(ctx context.Context, t *ticket, now time.Time) error {
	delay := min(max(l.eta(t, now), leastDelay), LongestDelay)
	ahead := l.queue.before(t).requests
	t.due = now.Add(delay)
	if t.id == "" {
		l.queue.remove(t)
	}
	l.dispatch(now)
	l.observe(ctx, EventQueued, delay, now)
	return &conversation.Error{
		Kind: conversation.RateLimited, Op: fmt.Sprintf("limits of %s", l.key), RetryAfter: delay,
		Err: fmt.Errorf("%w, with %d requests before it", ErrQueued, ahead),
	}
}

func (l *limiter) stopped(ctx context.Context) error {
	return &conversation.Error{Kind: conversation.Unavailable, Op: fmt.Sprintf("limits of %s", l.key), Err: ctx.Err()}
}

// dispatch lets requests go, in the order of the queue. None overtakes one
// who waits here, however much that one needs.
func (l *limiter) dispatch(now time.Time) {
	l.fill(now)
	for {
		t, before := l.queue.first(now)
		if t == nil {
			l.lookAgain(0)
			return
		}
		if wait := l.wait(before, t.need, now); wait > 0 {
			if before.requests > 0 {
				wait = min(wait, soon) // they may not come
			}
			l.lookAgain(wait)
			return
		}
		l.queue.remove(t)
		l.requests.take(1)
		l.tokens.take(t.need)
		l.inFlight++
		t.granted = true
		close(t.ready)
	}
}

// lookAgain sets the timer; zero stops it.
func (l *limiter) lookAgain(after time.Duration) {
	switch {
	case l.timer == nil && after > 0:
		l.timer = time.AfterFunc(after, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.dispatch(time.Now())
		})
	case l.timer != nil && after > 0:
		l.timer.Reset(after)
	case l.timer != nil:
		l.timer.Stop()
	}
}

func (l *limiter) fill(now time.Time) {
	pace := l.pace.value(now)
	l.requests.fill(now, pace)
	l.tokens.fill(now, pace)
}

// wait is how long a request that needs so many tokens has to wait after what
// others claim. Without a free slot it is a call's usual time: a slot that
// is free earlier dispatches the queue by itself.
func (l *limiter) wait(before claim, need float64, now time.Time) time.Duration {
	pace := l.pace.value(now)
	wait := max(
		l.requests.wait(float64(before.requests), 1, pace),
		l.tokens.wait(before.tokens, need, pace),
	)
	if paused := l.pausedUntil.Sub(now); paused > 0 {
		wait += paused // the buckets do not fill meanwhile
	}
	if slots := l.slots(); slots > 0 {
		if missing := l.inFlight + before.requests + 1 - slots; missing > 0 {
			rounds := math.Ceil(float64(missing) / float64(slots))
			wait = max(wait, time.Duration(rounds*l.calls.or(usualCall.Seconds())*float64(time.Second)), time.Millisecond)
		}
	}
	return wait
}

// eta is how long it takes until it is t's turn, as things stand.
func (l *limiter) eta(t *ticket, now time.Time) time.Duration {
	return l.wait(l.queue.before(t), t.need, now)
}

// slots is how many calls may be under way; zero: any number.
func (l *limiter) slots() int {
	slots := max(cmp.Or(l.concurrency, DefaultConcurrency), 0)
	if w := int(l.window.limit); w > 0 && (slots == 0 || w < slots) {
		slots = w
	}
	return slots
}

// release records how a call went and starts the next one.
func (l *limiter) release(ctx context.Context, g *grant, o outcome) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fill(now)
	switch {
	case o.throttled():
		l.tokens.take(-g.need)
		l.throttle(ctx, g, o, now)
	case o.err != nil && o.turnedAway():
		l.tokens.take(-g.need)
	default:
		if used := float64(o.usage.InputTokens + o.usage.OutputTokens); used > 0 {
			l.tokens.take(used - g.need)
			l.extra.add(used - g.known)
		}
		if o.err == nil && !o.panicked {
			l.calls.add(now.Sub(g.at).Seconds())
			l.window.grow()
		}
	}
	l.inFlight--
	l.dispatch(now)
	l.observe(ctx, EventEnded, 0, now)
}

// throttle slows down after the provider has asked to.
func (l *limiter) throttle(ctx context.Context, g *grant, o outcome, now time.Time) {
	pause := pauseUnsaid
	var ce *conversation.Error
	if errors.As(o.err, &ce) && ce.RetryAfter > 0 {
		pause = min(ce.RetryAfter, LongestDelay)
	}
	if until := now.Add(pause); until.After(l.pausedUntil) {
		l.pausedUntil = until
		// By then one request like this one fits, and no more.
		l.requests.holdUntil(until, 1)
		l.tokens.holdUntil(until, g.need)
	}
	// Of a burst that comes back with one 429 for each, only the first one cuts.
	if g.at.After(l.pace.cutAt) || l.pace.cutAt.IsZero() {
		if l.requests.perMinute == 0 && l.tokens.perMinute == 0 {
			l.window.cut(l.inFlight)
			l.pace.cutAt, l.pace.factor = now, 1
		} else {
			l.pace.cut(now)
		}
	}
	l.observe(ctx, EventThrottled, pause, now)
}

// report records what the provider reports about its limits.
func (l *limiter) report(r RateReport) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fill(now)
	l.requests.observe(r.Requests)
	l.tokens.observe(r.Tokens)
	l.dispatch(now)
}

func (l *limiter) observe(ctx context.Context, what EventType, wait time.Duration, now time.Time) {
	if l.observer != nil {
		l.observer.Limited(ctx, Event{
			Type: what, Key: l.key, Wait: wait,
			Waiting: len(l.queue), InFlight: l.inFlight, Pace: l.pace.value(now),
		})
	}
}
