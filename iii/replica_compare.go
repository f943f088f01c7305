package iii

import (
	"context"
	"encoding/json"
	"strings"
	"time"
)

const (
	// listTimeout bounds one request of the list of functions.
	listTimeout = 10 * time.Second
	// forbiddenChecks is for how many intervals a replica does not request a list that
	// access rules have forbidden.
	forbiddenChecks = 10
	// hiddenEvery is the least time between two announcements of functions that the list
	// does not show.
	hiddenEvery = 5 * time.Second
)

// replicaView is what a replica knows of the engine on one connection.
type replicaView struct {
	workerID string
	// shown are the functions that the list has shown, whichever worker serves them. A
	// function that is announced and not shown may be hidden by access rules.
	shown map[string]bool
	// forbidden is when the engine last refused to list its functions.
	forbidden time.Time
	// hidden is when functions were last announced that the list does not show.
	hidden time.Time
	warned bool // of hidden functions
	left   bool // a worker has left since hidden functions were last announced
}

// compare announces the functions that no worker serves.
func (r *Replica) compare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	if r.left.Swap(false) {
		r.view.left = true
	}
	list, err := r.list(ctx)
	switch {
	case HasCode(err, CodeForbidden):
		r.view.forbidden = time.Now()
	case err != nil:
		return err
	}
	var hidden []Function
	for _, f := range r.functions {
		registration := r.announced[f.ID]
		switch {
		case list.serves(f.ID):
			r.view.shown[f.ID] = true
		case registration == nil:
			if registration, err = r.w.RegisterFunction(f); err != nil {
				return err
			}
			r.announced[f.ID] = registration
			r.w.log.Info("serving a function on the iii engine", "function_id", f.ID)
		case r.view.shown[f.ID]:
			registration.Announce()
		default:
			hidden = append(hidden, f)
		}
	}
	r.announceHidden(hidden)
	return nil
}

// announceHidden announces hidden functions again if a worker has left, which may have
// been the one that served them. At other times it does not: before 0.23 an announcement
// would take them from another replica.
func (r *Replica) announceHidden(hidden []Function) {
	if len(hidden) == 0 {
		r.view.left = false
		return
	}
	if r.view.hidden.IsZero() {
		r.view.hidden = time.Now()
	}
	if !r.view.warned {
		r.view.warned = true
		r.w.log.Warn("the iii engine's access rules hide which worker serves our functions: they are announced once, and again when a worker leaves",
			"first", hidden[0].ID, "remedy", "expose engine::functions::list and our functions to this worker")
	}
	if !r.view.left || time.Since(r.view.hidden) < hiddenEvery {
		return
	}
	r.view.hidden, r.view.left = time.Now(), false
	for _, f := range hidden {
		r.announced[f.ID].Announce()
	}
}

// replicaList is what the engine shows of a replica's functions.
type replicaList struct {
	// prefix comes before our ids where the engine's access rules put one there.
	prefix string
	// complete: the list shows this replica's own function. If not, a function may be
	// listed by another id than the one it was announced with.
	complete bool
	owners   map[string]string // the replica's instance by function id; empty: no replica
	own      string            // our instance
}

// serves reports whether a worker certainly serves the function.
func (l replicaList) serves(functionID string) bool {
	owner, listed := l.owners[l.prefix+functionID]
	return listed && (l.complete || owner == l.own)
}

// list requests the functions of our namespace.
func (r *Replica) list(ctx context.Context) (replicaList, error) {
	out := replicaList{owners: map[string]string{}, own: r.instance}
	if at := r.view.forbidden; !at.IsZero() && time.Since(at) < forbiddenChecks*r.interval {
		return out, nil
	}
	functions, err := r.w.Functions(ctx)
	if err != nil {
		return out, err
	}
	for _, f := range functions {
		if !f.In(r.w.opts.Namespace) {
			continue
		}
		var metadata struct {
			Instance string `json:"instance"`
		}
		_ = json.Unmarshal(f.Metadata, &metadata) // other workers' metadata may be anything
		out.owners[f.ID] = metadata.Instance
		if prefix, ours := strings.CutSuffix(f.ID, r.watcher.function.ID); ours && metadata.Instance == r.instance {
			out.prefix, out.complete = prefix, true
		}
	}
	return out, nil
}
