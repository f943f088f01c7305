package iiitest

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/parley-run/parley/iii"
)

// queued is a message of a durable topic, or a call in a named queue.
type queued struct {
	topic   string
	event   message // without a function, it is for the first subscriber that is free
	named   bool    // in a named queue, which has no subscribers
	failed  int
	waiting bool   // for a subscriber that is free
	to      string // the function it is being delivered to; empty: none
}

// A DeadLetter is a message whose attempts are used up.
type DeadLetter struct {
	Topic      string
	FunctionID string
	Data       json.RawMessage
	Cause      string
}

// DeadLetters so far.
func (e *Engine) DeadLetters() []DeadLetter {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.dead)
}

// Unread are the messages so far that were published to a topic while no worker was
// subscribed, and that no subscriber gets. See [Kindness].KeepTopics.
func (e *Engine) Unread() []DeadLetter {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.unread)
}

// Pending are the messages of topics and named queues that are neither acknowledged nor
// dead letters.
func (e *Engine) Pending() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.backlog)
}

// FailedAttempts is how often the delivery of a message of the topic, or of the named
// queue, has failed so far.
func (e *Engine) FailedAttempts(topic string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.failed[topic]
}

// PublishDurable puts a message into a durable topic, as another worker would.
func (e *Engine) PublishDurable(topic string, data any) error {
	encoded, err := json.Marshal(data)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.publishDurable(topic, encoded)
	return nil
}

// publishDurable needs mu. Engines from 0.11 make a copy for each function that is
// subscribed at the moment; the triggers of one function share it. Earlier ones have one
// message for all subscribers, and keep it for the first.
func (e *Engine) publishDurable(topic string, data json.RawMessage) {
	if e.opts.Era < iii.EraC {
		e.enqueue(&queued{topic: topic, event: message{Data: data}})
		return
	}
	found := map[string]bool{}
	for _, t := range e.subscribers(topic) {
		if event := e.event(t, data); !found[event.Namespace+" "+event.FunctionID] {
			found[event.Namespace+" "+event.FunctionID] = true
			e.enqueue(&queued{topic: topic, event: event})
		}
	}
	switch {
	case len(found) > 0:
	case e.opts.Kind.KeepTopics:
		e.enqueue(&queued{topic: topic, event: message{Data: data}})
	default:
		e.unread = append(e.unread, DeadLetter{Topic: topic, Data: data, Cause: "no worker is subscribed"})
	}
}

func (e *Engine) subscribers(topic string) []*trigger {
	var all []*trigger
	for _, t := range e.triggers {
		if t.kind == e.queueType() && topicOf(t.config) == topic {
			all = append(all, t)
		}
	}
	return all
}

func topicOf(config json.RawMessage) string {
	var c struct {
		Topic string `json:"topic"`
		Queue string `json:"queue"`
	}
	_ = json.Unmarshal(config, &c) // a configuration of another shape names no topic
	if c.Topic == "" {
		return c.Queue
	}
	return c.Topic
}

func (e *Engine) enqueue(q *queued) {
	q.waiting = true
	e.backlog = append(e.backlog, q)
	e.flush()
}

// flush delivers whatever waits and has a subscriber. Needs mu.
func (e *Engine) flush() {
	if e.run == nil {
		return
	}
	busy := map[string]int{}
	for _, q := range e.backlog {
		if q.to != "" {
			busy[q.topic+" "+q.to]++
		}
	}
	for _, q := range e.backlog {
		if !q.waiting {
			continue
		}
		event, places := e.addressed(q)
		if places == 0 || busy[q.topic+" "+event.FunctionID] >= places*concurrency && !e.opts.Kind.AllAtOnce {
			continue
		}
		if e.opts.Kind.FreeRedelivery && e.functions[functionKey{cmp.Or(event.Namespace, "default"), event.FunctionID}] == nil {
			continue
		}
		q.waiting, q.to = false, event.FunctionID
		busy[q.topic+" "+q.to]++
		r := e.run
		r.parts.Go(func() { e.deliver(r.ctx, q, event) })
	}
}

// concurrency is how many messages an engine delivers at once for one trigger, and for
// one named queue.
const concurrency = 10

// addressed is the call that delivers a message, and how many triggers bring it: none
// if no worker is subscribed.
func (e *Engine) addressed(q *queued) (event message, triggers int) {
	if q.named {
		return q.event, 1
	}
	for _, t := range e.subscribers(q.topic) {
		next := e.event(t, q.event.Data)
		switch {
		case q.event.FunctionID != "" && (q.event.FunctionID != next.FunctionID || q.event.Namespace != next.Namespace):
		case triggers == 0:
			event, triggers = next, 1
		case event.FunctionID == next.FunctionID:
			triggers++
		}
	}
	return event, triggers
}

// deliver calls the function once. A message that failed waits for its next attempt.
func (e *Engine) deliver(ctx context.Context, q *queued, event message) {
	_, err := e.invoke(ctx, event)
	e.mu.Lock()
	defer e.mu.Unlock()
	defer e.notify()
	defer e.flush() // there is a place free
	q.to = ""
	gone := hasCode(err, "invocation_stopped") || hasCode(err, "function_not_found")
	switch {
	case err == nil:
		e.backlog = slices.DeleteFunc(e.backlog, func(other *queued) bool { return other == q })
		return
	case ctx.Err() != nil, gone && e.opts.Kind.FreeRedelivery:
		q.waiting = true
		return
	}
	q.failed++
	e.failed[q.topic]++
	attempts, delay := e.retries(q)
	if q.failed >= attempts {
		e.backlog = slices.DeleteFunc(e.backlog, func(other *queued) bool { return other == q })
		e.dead = append(e.dead, DeadLetter{q.topic, event.FunctionID, q.event.Data, err.Error()})
		return
	}
	r := e.run
	if r == nil {
		q.waiting = true
		return
	}
	r.parts.Go(func() { e.wait(ctx, q, delay<<(q.failed-1)) })
}

// wait makes a message ready for its next attempt.
func (e *Engine) wait(ctx context.Context, q *queued, delay time.Duration) {
	timer := time.NewTimer(delay)
	select {
	case <-timer.C:
	case <-ctx.Done():
		timer.Stop()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	q.waiting = true
	e.flush()
	e.notify()
}

// retries are how often delivery is attempted, and the delay after the first failure.
func (e *Engine) retries(q *queued) (attempts int, delay time.Duration) {
	attempts, delay = e.opts.MaxAttempts, e.opts.RetryDelay
	if e.opts.Era < iii.EraD || q.named {
		return attempts, delay
	}
	for _, t := range e.subscribers(q.topic) {
		var c struct {
			Queue struct {
				MaxRetries     *int `json:"maxRetries"`
				BackoffDelayMs *int `json:"backoffDelayMs"`
			} `json:"queue_config"`
		}
		_ = json.Unmarshal(t.config, &c) // a configuration of another shape has neither
		if c.Queue.MaxRetries != nil {
			attempts = *c.Queue.MaxRetries + 1
		}
		if c.Queue.BackoffDelayMs != nil {
			delay = time.Duration(*c.Queue.BackoffDelayMs) * time.Millisecond
		}
	}
	return attempts, delay
}
