// Package failover is an executor made of others: a chain of links, each with
// its own model and settings. The first link speaks as long as it can; when it
// fails, the next one does.
//
// # When the next link is asked
//
// Executors do not retry, their caller does, some seconds later. So the link
// follows from the number of the attempt: the first Config.Attempts attempts ask
// the first link, the next ones the second, and after the last link it begins
// anew. Within one attempt the next link is asked at once where waiting would not
// help: the breaker of a link is open, the link asks to wait for long, or it
// fails in a way that Config.SwitchOn names.
//
// A link never sees what belongs to another one: state and attach tokens are
// kept with the link's name, and a link that takes over gets the whole
// conversation as new.
//
// # The breaker
//
// Each provider has a breaker that all conversations of the process share: after
// three failures in a row it is blocked for a minute, then one request tries
// whether it is back. Only [conversation.Unavailable] counts as a failure. A 429
// shows that the provider is there, and says when to come again; that pauses
// requests where a rate limit is set, and three in a row are nothing unusual
// among many conversations. A wrong key or request says nothing about the
// provider at all.
package failover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/limit"
)

// A Link is one executor of a chain.
type Link struct {
	// Name is the executor's name in the registry. It is recorded in conversations:
	// a link that is renamed begins anew.
	Name     string
	Executor executors.Executor
	// Provider is what a breaker is kept for. Links with the same one share it.
	// Default: the name.
	Provider string
}

// An Executor asks its links. Create it with [New].
type Executor struct {
	name     string
	cfg      Config
	links    []*link
	observer Observer
}

type link struct {
	Link
	breaker *breaker
}

var (
	_ executors.Executor = (*Executor)(nil)
	_ executors.Checker  = (*Executor)(nil)
	_ executors.Once     = (*Executor)(nil)
	_ executors.Toolless = (*Executor)(nil)
)

// New returns a chain of that name. The links are those that cfg.Links names, in
// order. The breakers are one set for the whole process. It reports every fault
// at once.
func New(name string, cfg Config, links []Link, breakers *Breakers) (*Executor, error) {
	if err := errors.Join(cfg.validate(), validate(links)); err != nil {
		return nil, fmt.Errorf("failover: %w", err)
	}
	cfg.setDefaults()
	e := &Executor{name: name, cfg: cfg, observer: breakers.observer}
	for _, l := range links {
		e.links = append(e.links, &link{Link: l, breaker: breakers.get(cmp.Or(l.Provider, l.Name), cfg.Breaker)})
	}
	return e, nil
}

// Execute asks the links whose turn it is until one answers or the caller had
// better wait.
func (e *Executor) Execute(ctx context.Context, req executors.Request) (executors.Result, error) {
	var (
		failed   failures
		streamed bool
		order    = e.order(req, req.Attempt)
	)
	for i, l := range order {
		if ctx.Err() != nil {
			return executors.Result{}, failed.join(e.stopped(ctx))
		}
		result, err := l.breaker.call(func() (executors.Result, error) {
			return l.Executor.Execute(ctx, l.request(req, &streamed))
		})
		if err == nil {
			result.State = wrapState(l.Name, result.State)
			result.Provider = cmp.Or(result.Provider, l.Name)
			result.Usage = result.Usage.Add(failed.usage())
			return result, nil
		}
		if !e.passesOn(ctx, l, err, streamed) {
			return executors.Result{}, failed.join(e.unhurried(req, l, err))
		}
		failed.add(l.Name, err)
		if i+1 < len(order) {
			e.observe(ctx, l, order[i+1], err)
		}
	}
	return executors.Result{}, failed.final(e.op())
}

// order is the links as this attempt asks them.
func (e *Executor) order(req executors.Request, attempt int) []*link {
	first := (max(attempt, 1) - 1) / e.cfg.Attempts
	if e.cfg.Stay {
		first += e.home(req)
	}
	first %= len(e.links)
	return append(append(make([]*link, 0, len(e.links)), e.links[first:]...), e.links[:first]...)
}

// home is the link that spoke last in the conversation.
func (e *Executor) home(req executors.Request) int {
	name, _ := unwrap(req.State)
	for i, l := range e.links {
		if l.Name == name {
			return i
		}
	}
	return 0
}

// passesOn decides whether the next link is asked at once: never after a caller has been
// given pieces of this one's reply, who would then see two beginnings.
func (e *Executor) passesOn(ctx context.Context, l *link, err error, streamed bool) bool {
	if isOpen(err) {
		return true
	}
	if ctx.Err() != nil || streamed || l.atMostOnce() && asError(l.Name, err).Ambiguous {
		return false
	}
	kind := conversation.KindOf(err)
	waits := kind == conversation.Unavailable || kind == conversation.RateLimited
	return e.cfg.switches(kind) || waits && retryAfter(err) > e.cfg.MaxDelay
}

// unhurried takes the delay that a link asks for out of its error if the next
// attempt goes to another link. A place in a queue is waited for.
func (e *Executor) unhurried(req executors.Request, l *link, err error) error {
	next := e.order(req, req.Attempt+1)[0]
	if retryAfter(err) == 0 || next == l || next.breaker.wait() > 0 || errors.Is(err, limit.ErrQueued) {
		return err
	}
	ce := asError(l.Name, err)
	ce.RetryAfter = 0
	return ce
}

func (e *Executor) observe(ctx context.Context, from, to *link, err error) {
	if e.observer != nil {
		e.observer.Switched(ctx, Switch{Chain: e.name, From: from.Name, To: to.Name, Kind: conversation.KindOf(err), Err: err})
	}
}

func (e *Executor) op() string { return fmt.Sprintf("failover: ask %q", e.name) }

func (e *Executor) stopped(ctx context.Context) error {
	return &conversation.Error{Kind: conversation.Unavailable, Op: e.op(), Err: ctx.Err()}
}

// AtMostOnce reports whether any of the links says so. What that link may have
// done, the next one is not asked to do.
func (e *Executor) AtMostOnce() bool { return slices.ContainsFunc(e.links, (*link).atMostOnce) }

// Toolless reports whether all of the links say so.
func (e *Executor) Toolless() bool {
	return !slices.ContainsFunc(e.links, func(l *link) bool { return executors.TakesTools(l.Executor) })
}

func (l *link) atMostOnce() bool { return executors.AtMostOnce(l.Executor) }

// Unwrap returns the executors of the links, the first first. [executors.As] says what a
// power is that the chain does not have itself.
func (e *Executor) Unwrap() []executors.Executor {
	all := make([]executors.Executor, 0, len(e.links))
	for _, l := range e.links {
		all = append(all, l.Executor)
	}
	return all
}

// Check finds out whether any of the links could work. It asks all at once.
func (e *Executor) Check(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make([]chan error, len(e.links))
	for i, l := range e.links {
		results[i] = make(chan error, 1)
		go func() { results[i] <- executors.Check(ctx, l.Executor) }()
	}
	var failed failures
	for i, l := range e.links {
		select {
		case err := <-results[i]:
			if err == nil {
				return nil
			}
			failed.add(l.Name, err)
		case <-ctx.Done():
			return failed.join(e.stopped(ctx))
		}
	}
	return failed.final(fmt.Sprintf("failover: check %q", e.name))
}
