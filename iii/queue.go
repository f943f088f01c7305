package iii

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
)

// Enqueue puts a call into one of the engine's named queues and returns the message's
// receipt. The engine runs the call later, and retries it if it fails. The queue must be
// in the engine's configuration, else the error has [CodeEnqueue].
//
// An engine of era A has no such queues. There Enqueue publishes the data to the durable
// topic of the queue's name, and the receipt is empty: a [QueueTrigger] of that topic
// must be bound to the function.
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
		// A retry would run it twice.
		return "", fmt.Errorf("iii: enqueue %s into %s: the engine ran the call instead, it is older than 0.9: set Options.Era: %w",
			functionID, queue, ErrUnsupported)
	}
	return accepted.Receipt, nil
}

// PublishDurable publishes to a durable topic: every function with a [QueueTrigger] of
// the topic receives the data, and the engine retries those that fail.
func (w *Worker) PublishDurable(ctx context.Context, topic string, data any, opts ...CallOption) error {
	d, err := w.Dialect(ctx)
	if err != nil {
		return fmt.Errorf("iii: publish to %s: %w: %w", topic, ErrNotSent, err)
	}
	return w.publish(ctx, d, topic, data, opts)
}

// Publish publishes to the functions that are subscribed to a topic at this moment, see
// [SubscribeTrigger]. The engine keeps nothing for later subscribers.
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
