package iiiserve

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/parley-run/parley/iii"
)

// askFor bounds each question to the engine.
const askFor = 10 * time.Second

// A keeper has the functions served by one of the replicas at any time. Engines before
// 0.23 give a function to the last worker that announces it; later ones refuse it to all
// but the first. So a replica announces only functions that no worker serves, and
// stands by otherwise. It checks the engine's list of functions at an interval, and at
// once when a worker has left.
//
// The trigger of the inbox is another matter: every replica holds one all the time,
// because engines from 0.11 drop messages of a topic while it has no subscriber. The
// triggers of one function share its messages.
type keeper struct {
	server    *Server
	worker    *iii.Worker
	functions []iii.Function
	instance  string // marks our own functions in the engine's list

	wake  chan struct{} // holds one: check at once
	watch iii.Function
	// held are bound for as long as the keeper runs.
	held    []*iii.TriggerRegistration
	watcher *iii.Registration

	announced map[string]*iii.Registration
	onConn    connectionState
}

// connectionState is what is known of the engine on one connection.
type connectionState struct {
	id string // the worker's
	// seen are those functions that the list has shown, whoever serves them. A function that is
	// announced and not seen may be hidden by access rules.
	seen map[string]bool
	// forbidden is when the engine last refused to list its functions.
	forbidden time.Time
	// blind is when functions were last announced that the list does not show.
	blind    time.Time
	warned   bool // of hidden functions
	kept     bool // a trigger of the inbox that outlives the connection has been asked for
	departed bool // a worker has left, or told that it is about to, since the last check
}

func newKeeper(s *Server, w *iii.Worker) *keeper {
	k := &keeper{
		server: s, worker: w, instance: strings.ToLower(rand.Text()[:12]),
		wake: make(chan struct{}, 1), announced: make(map[string]*iii.Registration),
	}
	k.functions = s.functions()
	for i := range k.functions {
		k.functions[i].Metadata = k.metadata(false)
		k.functions[i].OnRefused = func(iii.Refusal) { k.check() }
	}
	k.watch = iii.Function{
		ID: s.id("watch-" + k.instance), Description: "Tells a Parley of workers that leave", Metadata: k.metadata(true), Handler: k.noticed,
	}
	return k
}

func (k *keeper) metadata(internal bool) json.RawMessage {
	encoded, err := json.Marshal(struct {
		Category string `json:"category"`
		Service  string `json:"service"`
		Instance string `json:"instance"`
		Internal bool   `json:"internal,omitempty"`
	}{"conversation", "parley", k.instance, internal})
	if err != nil {
		panic(err) // strings
	}
	return encoded
}

// check has the run loop check the engine at once.
func (k *keeper) check() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// noticed is called by the engine when something happens to a worker.
func (k *keeper) noticed(_ context.Context, call iii.Invocation) (any, error) {
	var event struct {
		Event string `json:"event"`
	}
	if err := call.Decode(&event); err != nil {
		return nil, err
	}
	if event.Event != "worker_connected" {
		k.server.departed.Store(true)
		k.check()
	}
	return nil, nil
}

func (k *keeper) run(ctx context.Context) {
	defer k.leave()
	if err := k.hold(); err != nil {
		k.server.log.Error("cannot bind triggers on the iii engine", "error", err)
	}
	for {
		changed := k.server.platform.Changed()
		if k.worker.State() != iii.Connected || k.worker.ID() != k.onConn.id {
			k.withdraw()
		}
		switch k.worker.State() {
		case iii.Connected:
			if err := k.announce(ctx); err != nil && ctx.Err() == nil {
				k.server.log.Warn("cannot check which functions the iii engine serves", "error", err)
			}
		case iii.Failed:
			k.server.log.Error("the iii engine has turned this worker away: nothing is served", "error", k.worker.Err())
			<-ctx.Done()
			return
		}
		timer := time.NewTimer(k.server.cfg.TakeOver)
		select {
		case <-changed:
		case <-timer.C:
		case <-k.wake:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// hold binds what every replica holds on every connection.
func (k *keeper) hold() error {
	var err error
	if k.watcher, err = k.worker.RegisterFunction(k.watch); err != nil {
		return err
	}
	triggers := []iii.Trigger{{
		ID: "parley-watch-" + k.instance, Type: "engine::workers-available", FunctionID: k.watch.ID, Namespace: k.server.cfg.Namespace,
	}}
	if k.server.cfg.Inbox != "" {
		// The trigger's id is this process's own: withdrawing it must not withdraw that of
		// another replica.
		t := k.inboxTrigger()
		t.ID = "parley-" + k.instance
		triggers = append(triggers, t)
	}
	for _, t := range triggers {
		r, err := k.worker.RegisterTrigger(t)
		if err != nil {
			return err
		}
		k.held = append(k.held, r)
	}
	return nil
}

// inboxRetries is how often an engine delivers a message again that failed, on engines
// that heed what a trigger says (0.22 does). The delay doubles from 1 s: a message waits
// 31 s for a worker that restarts, and one that can never be started is a dead letter
// after as long.
const inboxRetries = 5

func (k *keeper) inboxTrigger() iii.Trigger {
	t := iii.QueueTrigger(k.server.cfg.Inbox, k.server.id(ingest))
	t.Namespace = k.server.cfg.Namespace
	t.Config = map[string]any{
		"topic":        k.server.cfg.Inbox,
		"queue_config": map[string]any{"maxRetries": inboxRetries, "backoffDelayMs": 1000},
	}
	return t
}

// leave withdraws everything, so that the engine sends no more calls, and has the other
// replicas check at once.
func (k *keeper) leave() {
	for _, r := range k.held {
		r.Unregister()
	}
	if k.watcher != nil {
		k.watcher.Unregister()
	}
	k.withdraw()
	k.worker.Describe()
}

// withdraw forgets what was announced, so that it is not announced again by itself on
// the next connection: another replica may have taken over meanwhile.
func (k *keeper) withdraw() {
	for id, r := range k.announced {
		r.Unregister()
		delete(k.announced, id)
	}
	k.onConn = connectionState{}
}

// announce announces the functions that no worker serves.
func (k *keeper) announce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	if k.onConn.seen == nil {
		k.onConn.id, k.onConn.seen = k.worker.ID(), make(map[string]bool)
	}
	if k.server.departed.Swap(false) {
		k.onConn.departed = true
	}
	list, err := k.listed(ctx)
	switch {
	case iii.HasCode(err, iii.CodeForbidden):
		k.onConn.forbidden = time.Now()
	case err != nil:
		return err
	}
	var hidden []iii.Function
	for _, f := range k.functions {
		r := k.announced[f.ID]
		switch {
		case list.serves(f.ID):
			k.onConn.seen[f.ID] = true
		case r == nil:
			if r, err = k.worker.RegisterFunction(f); err != nil {
				return err
			}
			k.announced[f.ID] = r
			k.server.log.Info("serving a function on the iii engine", "function_id", f.ID)
		case k.onConn.seen[f.ID]:
			r.Announce()
		default:
			hidden = append(hidden, f)
		}
	}
	k.announceHidden(hidden)
	return k.keepInbox(ctx)
}

// forbiddenFor is for how many checks an engine that has refused its list is not asked
// for it again.
const forbiddenFor = 10

// blindEvery is the least time between two announcements of functions that the engine
// does not show.
const blindEvery = 5 * time.Second

// announceHidden announces functions again of which it is not known who serves them, if
// a worker has left, which may have been the one. At other times they stay as they are:
// before 0.23 an announcement would take them from another replica.
func (k *keeper) announceHidden(hidden []iii.Function) {
	if len(hidden) == 0 {
		k.onConn.departed = false
		return
	}
	if k.onConn.blind.IsZero() {
		k.onConn.blind = time.Now()
	}
	if !k.onConn.warned {
		k.onConn.warned = true
		k.server.log.Warn("the iii engine's access rules hide who serves our functions: they are announced once, and again when a worker leaves",
			"first", hidden[0].ID, "remedy", "expose engine::functions::list and "+k.server.id("*")+" to this worker")
	}
	if !k.onConn.departed || time.Since(k.onConn.blind) < blindEvery {
		return
	}
	k.onConn.blind, k.onConn.departed = time.Now(), false
	for _, f := range hidden {
		k.announced[f.ID].Announce()
	}
}

// keepInbox has the engine keep a trigger of the inbox when no replica is connected, if it
// can: once for each connection. In a namespace of its own it would search for the function
// elsewhere.
func (k *keeper) keepInbox(ctx context.Context) error {
	cfg := k.server.cfg
	if k.onConn.kept || cfg.Inbox == "" || cfg.Namespace != "" && cfg.Namespace != "default" {
		return nil
	}
	t := k.inboxTrigger()
	// The configuration tells it from those that end with their connection.
	t.Config = map[string]any{
		"topic":        cfg.Inbox,
		"queue_config": map[string]any{"maxRetries": inboxRetries, "backoffDelayMs": 1000, "concurrency": 10},
	}
	kept, err := k.worker.KeepTrigger(ctx, t)
	switch {
	case errors.Is(err, iii.ErrUnsupported):
		k.onConn.kept = true // without a queue there is no inbox
		return nil
	case errors.As(err, new(*iii.Error)):
		k.onConn.kept = true
		k.server.log.Warn("the iii engine does not keep the inbox's trigger: messages that come while no replica is connected are lost", "topic", cfg.Inbox, "error", err)
		return nil
	case err != nil:
		return err
	}
	k.onConn.kept = true
	k.server.log.Log(ctx, slog.LevelDebug, "the iii engine keeps the inbox's trigger", "topic", cfg.Inbox, "kept", kept)
	return nil
}
