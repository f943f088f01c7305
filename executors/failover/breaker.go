package failover

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/limit"
)

// Breakers holds the breakers of a process, one for each provider.
type Breakers struct {
	observer Observer

	mu       sync.Mutex
	breakers map[breakerKey]*breaker
}

type breakerKey struct {
	provider string
	cfg      BreakerConfig
}

// NewBreakers returns a set without breakers. The observer may be nil.
func NewBreakers(observer Observer) *Breakers {
	return &Breakers{observer: observer, breakers: make(map[breakerKey]*breaker)}
}

func (s *Breakers) get(provider string, cfg BreakerConfig) *breaker {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := breakerKey{provider, cfg}
	b := s.breakers[key]
	if b == nil {
		b = newBreaker(provider, cfg, s.observer)
		s.breakers[key] = b
	}
	return b
}

// A breaker keeps requests from a provider that does not answer.
type breaker struct {
	provider string
	openFor  time.Duration
	inner    *gobreaker.CircuitBreaker[executors.Result]

	mu     sync.Mutex
	openTo time.Time // of the last time it opened
}

func newBreaker(provider string, cfg BreakerConfig, observer Observer) *breaker {
	b := &breaker{provider: provider, openFor: cfg.OpenFor}
	b.inner = gobreaker.NewCircuitBreaker[executors.Result](gobreaker.Settings{
		Name:    provider,
		Timeout: cfg.OpenFor - 1, // it means "longer than"
		ReadyToTrip: func(c gobreaker.Counts) bool {
			return int(c.ConsecutiveFailures) >= cfg.Failures
		},
		IsExcluded:   saysNothing,
		IsSuccessful: answered,
		OnStateChange: func(_ string, _, to gobreaker.State) {
			if to == gobreaker.StateOpen {
				b.mu.Lock()
				b.openTo = time.Now().Add(cfg.OpenFor)
				b.mu.Unlock()
			}
			if observer != nil {
				observer.BreakerChanged(provider, State(to.String()))
			}
		},
	})
	return b
}

// call makes a call unless the provider is blocked: see isOpen.
func (b *breaker) call(f func() (executors.Result, error)) (executors.Result, error) {
	called := false
	result, err := b.inner.Execute(func() (executors.Result, error) {
		called = true
		return f()
	})
	if called {
		return result, err
	}
	wait := b.wait()
	if wait == 0 {
		wait = b.openFor / 2 // a request tries it right now, and may take a while
	}
	return executors.Result{}, &conversation.Error{
		Kind: conversation.Unavailable, Op: fmt.Sprintf("failover: ask %q", b.provider), Err: errOpen, RetryAfter: wait,
	}
}

// wait is how long the breaker stays open. Zero: it is not.
func (b *breaker) wait() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return max(0, time.Until(b.openTo))
}

var errOpen = errors.New("it has failed several times in a row and gets no requests for a while")

// isOpen reports whether err is from a breaker, so that nothing was sent. An
// error of a chain within the chain is not: that one has asked others.
func isOpen(err error) bool {
	var ce *conversation.Error
	return errors.As(err, &ce) && ce.Err == errOpen //nolint:errorlint // not further down
}

// saysNothing reports whether an error shows nothing about the provider: its answer was
// not waited for, it was not asked, or it was asked wrongly.
func saysNothing(err error) bool {
	if err == nil {
		return false
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, limit.ErrQueued) {
		return true
	}
	return !answered(err) && conversation.KindOf(err) != conversation.Unavailable
}

// answered reports whether the provider is there, if only to say no.
func answered(err error) bool {
	switch conversation.KindOf(err) {
	case "", conversation.RateLimited, conversation.Refused, conversation.ContextTooLong:
		return true
	}
	return false
}
