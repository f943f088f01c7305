package iii

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// An Era is a range of engine versions that behave alike. All use the same frames; they
// differ in the built-in functions and trigger types.
type Era rune

// The eras, with their engine versions.
const (
	EraA Era = 'A' // 0.6 to 0.8
	EraB Era = 'B' // 0.9 and 0.10: the enqueue action
	EraC Era = 'C' // 0.11 to 0.20: durable:subscriber, iii::durable::publish
	EraD Era = 'D' // 0.21 and 0.22: metadata of calls, reattach
	EraE Era = 'E' // 0.23 and 0.24: namespaces, registrations can be refused
	EraF Era = 'F' // 0.25
)

func (e Era) valid() bool { return e >= EraA && e <= EraF }

// String is the letter of the era, or "unknown" for zero.
func (e Era) String() string {
	if e == 0 {
		return "unknown"
	}
	return string(rune(e))
}

// A Dialect has the names of built-in functions and trigger types of an engine.
type Dialect struct {
	// Era is the oldest era that the engine can be of; engines do not report their
	// version.
	Era Era
	// QueueTrigger is the type of triggers on durable topics.
	QueueTrigger string
	// PublishFunction is the function that publishes to a durable topic.
	PublishFunction string
	// EnqueueAction reports whether the engine puts calls into named queues, see
	// [Worker.Enqueue].
	EnqueueAction bool
}

func dialectOf(era Era) Dialect {
	d := Dialect{Era: era, QueueTrigger: "durable:subscriber", PublishFunction: "iii::durable::publish", EnqueueAction: era >= EraB}
	if era < EraC {
		d.QueueTrigger, d.PublishFunction = "queue", "enqueue"
	}
	return d
}

// Dialect returns the dialect of [Options.Era] or, without that, detects it from the
// engine's list of functions, once per connection. Engine 0.9 counts as an older one: they
// cannot be distinguished, and an older one would run a call that should be queued.
// If the engine has no queue loaded, the error is [ErrUnsupported].
//
// Where access rules hide the list, Dialect calls the functions that publish to topics
// without a topic, which has no effect; the error shows whether they exist. If they are
// forbidden too, the engine counts as era C, or D if it sent a reattach token: older ones
// have no access rules.
func (w *Worker) Dialect(ctx context.Context) (Dialect, error) {
	if w.opts.Era != 0 {
		return dialectOf(w.opts.Era), nil
	}
	w.mu.Lock()
	known, conn := w.dialect, w.conn
	w.mu.Unlock()
	if known != nil {
		return *known, nil
	}
	listed, err := w.Functions(ctx)
	if err != nil && !HasCode(err, CodeForbidden) {
		return Dialect{}, err
	}
	w.mu.Lock()
	token := w.reattachToken != ""
	w.mu.Unlock()
	d, ok := detect(listed, token)
	if !ok {
		if d, err = w.probe(ctx); err != nil {
			return Dialect{}, err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.conn == conn && conn != nil {
		w.dialect = &d
	}
	return d, nil
}

// probe detects the dialect of an engine whose list does not show it.
func (w *Worker) probe(ctx context.Context) (Dialect, error) {
	for _, era := range []Era{EraC, EraA} {
		publish := dialectOf(era).PublishFunction
		_, err := w.Invoke(ctx, publish, map[string]string{"topic": "", "data": ""})
		switch {
		case HasCode(err, CodeFunctionNotFound):
		case HasCode(err, CodeForbidden):
			return dialectOf(EraC), nil // the engine has access rules, and may have a queue
		case err == nil, errors.As(err, new(*Error)):
			return dialectOf(era), nil
		default:
			return Dialect{}, err
		}
	}
	return Dialect{}, fmt.Errorf("iii: the engine has neither enqueue nor iii::durable::publish: load its queue or set Options.Era: %w", ErrUnsupported)
}

func detect(listed []ListedFunction, token bool) (Dialect, bool) {
	has := map[string]bool{}
	namespaces := false
	for _, f := range listed {
		has[f.ID] = true
		namespaces = namespaces || f.Namespace != ""
	}
	switch {
	case namespaces:
		return dialectOf(EraE), true
	case token, has["engine::register_trigger"]:
		return dialectOf(EraD), true
	case has["iii::durable::publish"], has["engine::functions::info"], has["engine::trigger-types::list"]:
		return dialectOf(EraC), true
	case has["enqueue"] && has["iii::queue::redrive"]:
		return dialectOf(EraB), true
	case has["enqueue"]:
		return dialectOf(EraA), true
	}
	return Dialect{}, false
}

// learnDialect announces queue triggers once the dialect is known.
func (c *connection) learnDialect() {
	for failed := 0; ; {
		select {
		case <-c.needDialect:
		case <-c.ctx.Done():
			return
		}
		d, err := c.w.Dialect(c.ctx)
		if err == nil {
			failed = 0
			c.announceQueueTriggers(d)
			continue
		}
		if c.ctx.Err() != nil {
			return
		}
		wait := backoff(failed)
		failed++
		c.w.log.Warn("queue triggers are not announced: cannot detect the dialect of the iii engine", "error", err, "retry_in", wait)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-c.ctx.Done():
			timer.Stop()
			return
		}
		c.requestDialect()
	}
}

// requestDialect has learnDialect run once more.
func (c *connection) requestDialect() {
	select {
	case c.needDialect <- struct{}{}:
	default:
	}
}

func (c *connection) announceQueueTriggers(d Dialect) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	c.queueType = d.QueueTrigger
	for _, t := range c.w.triggers {
		if !t.announced {
			c.w.announceTrigger(c, t)
		}
	}
}
