package iiitest

import (
	"context"
	"encoding/json"
	"slices"
	"time"
)

// queued is a message of a durable topic for one function, or a call in a named
// queue.
type queued struct {
	topic   string
	event   message
	failed  int
	waiting bool // nobody is delivering it
}

// A DeadLetter is a message a queue has given up.
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

// publishDurable makes a copy for each subscribed function. A topic without any
// keeps the message for the first.
func (e *Engine) publishDurable(topic string, data json.RawMessage) {
	found := false
	for _, t := range e.triggers {
		if t.kind == e.queueType() && topicOf(t.config) == topic {
			found = true
			e.enqueue(&queued{topic: topic, event: e.event(t, data)})
		}
	}
	if !found {
		e.enqueue(&queued{topic: topic, event: message{Data: data}})
	}
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

// flush delivers whatever waits and has a worker. Needs mu.
func (e *Engine) flush() {
	if e.run == nil {
		return
	}
	for _, q := range e.backlog {
		if !q.waiting {
			continue
		}
		if q.event.FunctionID == "" {
			for _, t := range e.triggers {
				if t.kind == e.queueType() && topicOf(t.config) == q.topic {
					q.event = e.event(t, q.event.Data)
					break
				}
			}
		}
		namespace := q.event.Namespace
		if namespace == "" {
			namespace = "default"
		}
		if e.functions[functionKey{namespace, q.event.FunctionID}] == nil {
			continue
		}
		q.waiting = false
		r := e.run
		r.parts.Go(func() { e.deliver(r.ctx, q) })
	}
}

// deliver calls the function until it succeeds. A message whose worker has gone
// waits for another, and is not counted as failed.
func (e *Engine) deliver(ctx context.Context, q *queued) {
	for {
		_, err := e.invoke(ctx, q.event)
		e.mu.Lock()
		gone := ctx.Err() != nil || hasCode(err, "invocation_stopped") || hasCode(err, "function_not_found")
		if err != nil && !gone {
			q.failed++
		}
		over := err == nil || q.failed > e.opts.MaxRetries
		if over {
			e.backlog = slices.DeleteFunc(e.backlog, func(other *queued) bool { return other == q })
		}
		if over && err != nil {
			e.dead = append(e.dead, DeadLetter{q.topic, q.event.FunctionID, q.event.Data, err.Error()})
		}
		if gone && err != nil {
			q.waiting = true
			e.flush()
		}
		e.notify()
		wait := e.opts.RetryDelay << max(q.failed-1, 0)
		e.mu.Unlock()
		if over || gone {
			return
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}
