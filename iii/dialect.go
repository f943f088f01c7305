package iii

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// An Era is a range of engine versions that behave alike. Framing is the same in
// all; what differs is which functions and trigger types are built in.
type Era rune

const (
	EraA Era = 'A' // 0.6 to 0.8
	EraB Era = 'B' // 0.9 and 0.10: the enqueue action
	EraC Era = 'C' // 0.11 to 0.20: durable:subscriber, iii::durable::publish
	EraD Era = 'D' // 0.21 and 0.22: metadata of calls, reattach
	EraE Era = 'E' // 0.23 and 0.24: namespaces, registrations can be refused
	EraF Era = 'F' // 0.25
)

func (e Era) valid() bool { return e >= EraA && e <= EraF }

func (e Era) String() string {
	if e == 0 {
		return "unknown"
	}
	return string(rune(e))
}

// A Dialect is what to call things on the engine this worker is connected to.
type Dialect struct {
	// Era at least; an engine does not tell its version.
	Era Era
	// QueueTrigger is the type of triggers on durable topics, PublishFunction what
	// publishes to one.
	QueueTrigger    string
	PublishFunction string
	// EnqueueAction: a call can be put into a named queue, see [Worker.Enqueue].
	EnqueueAction bool
}

func dialectOf(era Era) Dialect {
	d := Dialect{Era: era, QueueTrigger: "durable:subscriber", PublishFunction: "iii::durable::publish", EnqueueAction: era >= EraB}
	if era < EraC {
		d.QueueTrigger, d.PublishFunction = "queue", "enqueue"
	}
	return d
}

// Dialect is [Options.Era]'s or, without that, found out by asking the engine for
// its functions; that is done once a connection. An engine of the versions 0.9
// passes for an older one: nothing tells it apart, and the older one would run
// directly what is to be queued. If the engine has no queue loaded, the error is
// [ErrUnsupported].
//
// Access rules may hide the list, or all of it that tells. Then the functions that
// publish to topics are called without a topic, which has no effect: the answer tells
// whether they are there. If those are forbidden too, the engine is taken for one of
// era C, or D if it has given a reattach token: only those have access rules.
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

// probe finds the dialect of an engine whose list does not show it.
func (w *Worker) probe(ctx context.Context) (Dialect, error) {
	for _, era := range []Era{EraC, EraA} {
		publish := dialectOf(era).PublishFunction
		_, err := w.Invoke(ctx, publish, map[string]string{"topic": "", "data": ""})
		switch {
		case HasCode(err, CodeFunctionNotFound):
		case HasCode(err, CodeForbidden):
			return dialectOf(EraC), nil // an engine that has access rules, and may have a queue
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

// learnDialect announces queue triggers once it is known what they are called.
func (c *connection) learnDialect() {
	for failed := 0; ; {
		select {
		case <-c.needDialect:
		case <-c.ctx.Done():
			return
		}
		d, err := c.w.Dialect(c.ctx)
		if err != nil {
			if c.ctx.Err() != nil {
				return
			}
			wait := backoff(failed)
			failed++
			c.w.log.Warn("queue triggers wait: not known what this iii engine calls them", "error", err, "retry_in", wait)
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-c.ctx.Done():
				timer.Stop()
				return
			}
			select {
			case c.needDialect <- struct{}{}:
			default:
			}
			continue
		}
		failed = 0
		c.w.mu.Lock()
		c.queueType = d.QueueTrigger
		for _, t := range c.w.triggers {
			if !t.announced {
				c.w.announceTrigger(c, t)
			}
		}
		c.w.mu.Unlock()
	}
}

// Enqueue puts a call into one of the engine's named queues and returns the
// message's receipt; the engine runs it later, and again if it fails. The queue
// must be in the engine's configuration.
//
// An engine of era A has no such queues. There the data is published to the durable
// topic of the queue's name, and the receipt is empty: a [QueueTrigger] of that
// topic must be bound to the function.
func (w *Worker) Enqueue(ctx context.Context, queue, functionID string, data any, opts ...CallOption) (receipt string, err error) {
	if queue == "" {
		return "", fmt.Errorf("iii: enqueue %s: %w: the queue's name is empty", functionID, ErrNotSent)
	}
	d, err := w.Dialect(ctx)
	if err != nil {
		return "", fmt.Errorf("iii: enqueue %s into %s: %w: %w", functionID, queue, ErrNotSent, err)
	}
	if !d.EnqueueAction {
		return "", w.publish(ctx, d, queue, data, opts)
	}
	result, err := w.call(ctx, frame{
		InvocationID: uuid.NewString(), FunctionID: functionID, Action: &action{Type: "enqueue", Queue: queue},
	}, data, opts)
	if err != nil {
		return "", fmt.Errorf("iii: enqueue %s into %s: %w", functionID, queue, err)
	}
	var accepted struct {
		Receipt string `json:"messageReceiptId"`
	}
	if json.Unmarshal(result, &accepted) != nil || accepted.Receipt == "" {
		// Retrying would run it twice.
		return "", fmt.Errorf("iii: enqueue %s into %s: the engine ran it instead of queueing it, it is older than 0.9: set Options.Era: %w",
			functionID, queue, ErrUnsupported)
	}
	return accepted.Receipt, nil
}

// PublishDurable publishes to a durable topic: every function with a
// [QueueTrigger] of the topic gets the data, and again until it succeeds.
func (w *Worker) PublishDurable(ctx context.Context, topic string, data any, opts ...CallOption) error {
	d, err := w.Dialect(ctx)
	if err != nil {
		return fmt.Errorf("iii: publish to %s: %w: %w", topic, ErrNotSent, err)
	}
	return w.publish(ctx, d, topic, data, opts)
}

// Publish publishes to the functions that are subscribed to a topic at this moment
// (see [SubscribeTrigger]); nothing is kept for others.
func (w *Worker) Publish(ctx context.Context, topic string, data any, opts ...CallOption) error {
	return w.publish(ctx, Dialect{PublishFunction: "publish"}, topic, data, opts)
}

func (w *Worker) publish(ctx context.Context, d Dialect, topic string, data any, opts []CallOption) error {
	encoded, err := raw(data, "{}")
	if err != nil {
		return fmt.Errorf("iii: publish to %s: %w: data: %w", topic, ErrNotSent, err)
	}
	_, err = w.Invoke(ctx, d.PublishFunction, struct {
		Topic string          `json:"topic"`
		Data  json.RawMessage `json:"data"`
	}{topic, encoded}, opts...)
	return err
}
