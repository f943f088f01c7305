package iiiserve

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parley-run/parley/iii"
)

// inboxRetries is how often an engine that reads a trigger's queue_config (0.22 does)
// delivers a failed message again. The delay doubles from 1 s: a message waits 31 s for a
// worker that restarts, and one that can never be started is a dead letter after as long.
const inboxRetries = 5

// A subscription binds the inbox's topic to the function that serves it. Every replica
// holds a trigger all the time, because engines from 0.11 drop the messages of a topic
// that has no subscriber. The triggers of one function share its messages.
type subscription struct {
	server *Server
	worker *iii.Worker
	held   *iii.TriggerRegistration

	kept   string // the worker's id on the connection that has asked for a kept trigger
	cancel context.CancelFunc
	done   chan struct{}
}

// subscribe binds the trigger and has the engine keep another one that outlives every
// replica's connection, where it can. instance makes the trigger's id this process's own,
// so that to withdraw it does not withdraw that of another replica.
func (s *Server) subscribe(w *iii.Worker, instance string) (*subscription, error) {
	t := s.inboxTrigger(nil)
	t.ID = "parley-" + instance
	held, err := w.RegisterTrigger(t)
	if err != nil {
		return nil, fmt.Errorf("iiiserve: subscribe to %s: %w", s.cfg.Inbox, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	sub := &subscription{server: s, worker: w, held: held, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(sub.done)
		sub.run(ctx)
	}()
	return sub, nil
}

// unsubscribe withdraws the trigger of this process. The kept one stays.
func (sub *subscription) unsubscribe() {
	sub.cancel()
	<-sub.done
	sub.held.Unregister()
}

// inboxTrigger has more in its queue_config where that tells it from the others.
func (s *Server) inboxTrigger(more map[string]any) iii.Trigger {
	queue := map[string]any{"maxRetries": inboxRetries, "backoffDelayMs": 1000}
	for key, value := range more {
		queue[key] = value
	}
	t := iii.QueueTrigger(s.cfg.Inbox, s.id(ingest))
	t.Namespace = s.cfg.Namespace
	t.Config = map[string]any{"topic": s.cfg.Inbox, "queue_config": queue}
	return t
}

// run asks for the kept trigger once on each connection.
func (sub *subscription) run(ctx context.Context) {
	cfg := sub.server.cfg
	if cfg.Namespace != "" && cfg.Namespace != "default" {
		return // a kept trigger searches for its function in "default" alone
	}
	for {
		changed := sub.server.platform.Changed()
		if id := sub.worker.ID(); sub.worker.State() == iii.Connected && id != sub.kept {
			if err := sub.keep(ctx); err == nil {
				sub.kept = id
			} else if ctx.Err() == nil {
				sub.server.log.Warn("cannot ask the iii engine to keep the inbox's trigger", "topic", cfg.Inbox, "error", err, "retry_in", cfg.ReplicaInterval)
			}
		}
		timer := time.NewTimer(cfg.ReplicaInterval)
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// keep returns an error if it is worth a retry on the same connection.
func (sub *subscription) keep(ctx context.Context) error {
	log := sub.server.log.With("topic", sub.server.cfg.Inbox)
	ctx, cancel := context.WithTimeout(ctx, keepTimeout)
	defer cancel()
	// The concurrency tells the kept trigger from those that end with their connection.
	kept, err := sub.worker.KeepTrigger(ctx, sub.server.inboxTrigger(map[string]any{"concurrency": 10}))
	switch {
	case errors.Is(err, iii.ErrUnsupported):
		return nil // without a queue there is no inbox
	case errors.As(err, new(*iii.Error)):
		log.Warn("the iii engine does not keep the inbox's trigger: messages that come while no replica is connected are lost", "error", err)
		return nil
	case err != nil:
		return err
	}
	log.Debug("asked the iii engine to keep the inbox's trigger", "kept", kept)
	return nil
}

// keepTimeout bounds one attempt to have the engine keep the inbox's trigger.
const keepTimeout = 10 * time.Second
