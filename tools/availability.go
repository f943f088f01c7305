package tools

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/parley-run/parley/conversation"
)

// A Listing is one set in a list.
type Listing struct {
	Name string `json:"name"`
	// Available reports whether the set can be used now. Reason says why not and
	// what to do, or names faults of an available set.
	Available bool   `json:"available"`
	Reason    string `json:"reason,omitempty"`
	// Faults are names in the rules that no tool of an available set has. They are in
	// Reason, too.
	Faults []string `json:"faults,omitempty"`
	// Err is why the set cannot be used; Reason is its text.
	Err error `json:"-"`
	// Tools are the names of the tools that may be called, without the set's.
	Tools []string `json:"tools,omitempty"`
	// Ask are those of Tools whose calls require approval.
	Ask []string `json:"ask,omitempty"`
	// Repeatable are those of Tools whose calls are made again if their answer is lost.
	Repeatable []string `json:"repeatable,omitempty"`
}

// List reports the availability of every set, in the order they were added. It asks
// all at once, without cached lists, and takes at most 40 seconds.
func (r *Registry) List(ctx context.Context) []Listing {
	entries := r.snapshot()
	out := make([]Listing, len(entries))
	var group sync.WaitGroup
	for i, e := range entries {
		group.Go(func() { out[i] = r.look(ctx, e) })
	}
	group.Wait()
	return out
}

func (r *Registry) look(ctx context.Context, e *entry) Listing {
	l := Listing{Name: e.name}
	listed, err := r.list(ctx, e, true, lookTimeout)
	if err != nil {
		l.Reason, l.Err = err.Error(), err
		return l
	}
	l.Available = true
	usable, odd := e.usable(listed)
	closed := e.rules.closes(listed)
	for _, t := range usable {
		l.Tools = append(l.Tools, t.Name)
		if e.rules.asks(t.Name, closed) {
			l.Ask = append(l.Ask, t.Name)
		}
		if e.rules.Retry.repeats(t) {
			l.Repeatable = append(l.Repeatable, t.Name)
		}
	}
	l.Faults = e.rules.faults(listed)
	l.Reason = strings.Join(slices.Concat(l.Faults, odd), "; ")
	if l.Reason == "" && len(l.Tools) == 0 {
		l.Reason = "it has no tools"
	}
	return l
}

// faults returns a sentence for each name in the rules that no tool has, and for what
// follows.
func (r Rules) faults(listed []conversation.Tool) []string {
	ask := missing("ask", r.Ask, listed)
	if n := len(ask); n > 0 && r.Allow == nil {
		ask[n-1] += ": every tool that ask does not name requires approval, too"
	}
	return slices.Concat(missing("allow", r.Allow, listed), ask, missing("retry", r.Retry.names(), listed))
}

// missing returns names in the rules that no tool has: they are misspelt, or the server
// has renamed its tools.
func missing(key string, names []string, listed []conversation.Tool) []string {
	var out []string
	for _, name := range names {
		if name != all && !slices.ContainsFunc(listed, func(t conversation.Tool) bool { return t.Name == name }) {
			out = append(out, fmt.Sprintf("%s names %q, which it does not have", key, name))
		}
	}
	return out
}
