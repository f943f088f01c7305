package iiiserve

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// A listing is what the engine shows of its functions to this worker.
type listing struct {
	// prefix comes before the names of our functions, where the engine's access rules
	// put one there.
	prefix string
	// complete: what belongs to this worker is shown. If it is not, a function may go by
	// another name than in our own announcement.
	complete bool
	owners   map[string]string // instance by function; empty: not a Parley
	own      string            // our instance
}

// serves reports whether it is certain that a worker serves the function.
func (l listing) serves(functionID string) bool {
	owner, listed := l.owners[l.prefix+functionID]
	return listed && (l.complete || owner == l.own)
}

// listed asks for the functions of our namespace.
func (k *keeper) listed(ctx context.Context) (listing, error) {
	out := listing{owners: map[string]string{}, own: k.instance}
	if at := k.onConn.forbidden; !at.IsZero() && time.Since(at) < forbiddenFor*k.server.cfg.TakeOver {
		return out, nil
	}
	answer, err := k.worker.Invoke(ctx, "engine::functions::list", map[string]bool{"include_internal": true})
	if err != nil {
		return out, err
	}
	var list struct {
		Functions []struct {
			ID        string          `json:"function_id"`
			Namespace *string         `json:"namespace"`
			Metadata  json.RawMessage `json:"metadata"`
		} `json:"functions"`
	}
	if err := json.Unmarshal(answer, &list); err != nil {
		return out, fmt.Errorf("engine::functions::list: %w", err)
	}
	namespace := cmp.Or(k.server.cfg.Namespace, "default")
	for _, f := range list.Functions {
		if f.Namespace != nil && *f.Namespace != namespace {
			continue
		}
		var metadata struct {
			Instance string `json:"instance"`
		}
		_ = json.Unmarshal(f.Metadata, &metadata) // that of others may be anything
		out.owners[f.ID] = metadata.Instance
		if prefix, ours := strings.CutSuffix(f.ID, k.watch.ID); ours && metadata.Instance == k.instance {
			out.prefix, out.complete = prefix, true
		}
	}
	return out, nil
}
