package iiiserve

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	engine "github.com/parley-run/parley/iii"
)

// askFor bounds the question who serves what.
const askFor = 10 * time.Second

// A keeper announces what nobody serves. Engines before 0.23 give a function to
// whoever announces it last, and drop it when one of those that ever announced it
// leaves; so a replica that announced what another has would only do harm. Nothing
// is announced over a new connection before it is known who has it: another replica
// may have taken over meanwhile.
type keeper struct {
	server    *Server
	worker    *engine.Worker
	functions []engine.Function

	refused    chan struct{} // told when the engine has refused one
	announced  map[string]*engine.Registration
	inbox      *engine.TriggerRegistration
	connection string // the worker's id when that was
}

func newKeeper(s *Server, w *engine.Worker) *keeper {
	k := &keeper{server: s, worker: w, refused: make(chan struct{}, 1), announced: make(map[string]*engine.Registration)}
	k.functions = s.functions()
	for i := range k.functions {
		k.functions[i].OnRefused = k.told
	}
	return k
}

func (k *keeper) run(ctx context.Context) {
	defer k.withdraw()
	tick := time.NewTicker(k.server.cfg.TakeOver)
	defer tick.Stop()
	for {
		changed := k.server.platform.Changed()
		if k.worker.State() != engine.Connected || k.worker.ID() != k.connection {
			k.withdraw()
		}
		switch k.worker.State() {
		case engine.Connected:
			if err := k.look(ctx); err != nil && ctx.Err() == nil {
				k.server.log.Warn("cannot see who serves what on the iii engine", "error", err)
			}
		case engine.Failed:
			k.server.log.Error("the iii engine has turned this worker away: nothing is served", "error", k.worker.Err())
			<-ctx.Done()
			return
		}
		select {
		case <-changed:
		case <-tick.C:
		case <-k.refused:
		case <-ctx.Done():
			return
		}
	}
}

// withdraw forgets what was announced, so that it is not announced again by itself.
func (k *keeper) withdraw() {
	k.closeInbox()
	for id, r := range k.announced {
		r.Unregister()
		delete(k.announced, id)
	}
}

func (k *keeper) closeInbox() {
	if k.inbox != nil {
		k.inbox.Unregister()
		k.inbox = nil
	}
}

// look announces what nobody serves.
func (k *keeper) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	k.connection = k.worker.ID()
	served, err := k.served(ctx)
	if err != nil {
		return err
	}
	for _, f := range k.functions {
		r := k.announced[f.ID]
		switch {
		case served[f.ID]:
		case r != nil:
			r.Announce()
		default:
			if k.announced[f.ID], err = k.worker.RegisterFunction(f); err != nil {
				delete(k.announced, f.ID)
				return err
			}
			k.server.log.Info("serving a function on the iii engine", "function_id", f.ID)
		}
	}
	return k.openInbox()
}

// openInbox binds the inbox while its function is ours. The trigger's id is this
// process's own: whoever withdraws one must not withdraw that of another replica.
func (k *keeper) openInbox() error {
	id := k.server.id(ingest)
	r := k.announced[id]
	if r != nil {
		if _, refused := r.Refused(); refused {
			r = nil
		}
	}
	switch {
	case r == nil:
		k.closeInbox()
	case k.inbox == nil && k.server.cfg.Inbox != "":
		trigger := engine.QueueTrigger(k.server.cfg.Inbox, id)
		trigger.ID, trigger.Namespace = "parley-"+rand.Text(), k.server.cfg.Namespace
		var err error
		if k.inbox, err = k.worker.RegisterTrigger(trigger); err != nil {
			k.inbox = nil
			return err
		}
	}
	return nil
}

// served are the functions of our namespace that somebody serves.
func (k *keeper) served(ctx context.Context) (map[string]bool, error) {
	answer, err := k.worker.Invoke(ctx, "engine::functions::list", map[string]bool{"include_internal": true})
	if err != nil {
		return nil, err
	}
	var list struct {
		Functions []struct {
			ID        string  `json:"function_id"`
			Namespace *string `json:"namespace"`
		} `json:"functions"`
	}
	if err := json.Unmarshal(answer, &list); err != nil {
		return nil, fmt.Errorf("engine::functions::list: %w", err)
	}
	own := cmp.Or(k.server.cfg.Namespace, "default")
	served := make(map[string]bool)
	for _, f := range list.Functions {
		if f.Namespace == nil || *f.Namespace == own {
			served[f.ID] = true
		}
	}
	return served, nil
}

// told wakes the keeper.
func (k *keeper) told(engine.Refusal) {
	select {
	case k.refused <- struct{}{}:
	default:
	}
}
