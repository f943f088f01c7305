package executors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/parley-run/parley/conversation"
)

// Auto names the first executor that is available, in the
// registry's order of preference.
const Auto = conversation.DefaultExecutor

// A Registry holds executors by name. The program fills it at start; it is
// safe for concurrent use.
type Registry struct {
	preference []string

	mu      sync.RWMutex
	entries []*entry // in the order they were added
}

// About describes an executor for lists.
type About struct {
	// Backend is the kind of executor: "openai".
	Backend string
	// Model is what answers, where that is known beforehand.
	Model string
}

type entry struct {
	name  string
	exec  Executor
	about About
	avail availability
}

// NewRegistry returns an empty registry. The preference says what [Auto] tries,
// first to last: names of executors, or backends ("openai"), which mean
// all executors of that backend in the order they are added. Executors that it
// does not mention are never picked automatically. Without a preference, all
// are candidates in the order they are added.
func NewRegistry(preference ...string) *Registry {
	return &Registry{preference: slices.Clone(preference)}
}

// Add puts an executor in. Its name must be new, not empty and not [Auto].
func (r *Registry) Add(name string, e Executor, about About) error {
	switch {
	case strings.TrimSpace(name) == "":
		return errors.New("executors: add: the name is empty")
	case name == Auto:
		return fmt.Errorf("executors: add %q: the name is reserved for the first executor that is available", name)
	case e == nil:
		return fmt.Errorf("executors: add %q: the executor is nil", name)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if slices.ContainsFunc(r.entries, func(have *entry) bool { return have.name == name }) {
		return fmt.Errorf("executors: add %q: there is one of that name", name)
	}
	r.entries = append(r.entries, &entry{name: name, exec: e, about: about, avail: newAvailability(e)})
	return nil
}

// Get returns the executor of that name, and for [Auto] what Resolve returns.
// An unknown name is an error of kind Invalid that lists the names there are.
func (r *Registry) Get(name string) (Executor, error) {
	_, e, err := r.Resolve(context.Background(), name)
	return e, err
}

// Resolve returns the executor of that name together with its name, so that the
// choice made for [Auto] can be recorded. Only Auto checks availability, and
// then each check is bounded in time. If nothing is available the error says
// why, executor by executor; its kind is Unavailable where waiting may help,
// and else that of the first candidate.
func (r *Registry) Resolve(ctx context.Context, name string) (string, Executor, error) {
	if name == Auto {
		return r.resolveAuto(ctx)
	}
	entries := r.snapshot()
	for _, e := range entries {
		if e.name == name {
			return e.name, e.exec, nil
		}
	}
	return "", nil, &conversation.Error{
		Kind:   conversation.Invalid,
		Op:     fmt.Sprintf("executors: get %q", name),
		Err:    errors.New("no executor has that name"),
		Remedy: "use one of " + strings.Join(append(quoted(entries), fmt.Sprintf("%q", Auto)), ", "),
	}
}

func (r *Registry) resolveAuto(ctx context.Context) (string, Executor, error) {
	op := fmt.Sprintf("executors: get %q", Auto)
	candidates := r.candidates()
	if len(candidates) == 0 {
		return "", nil, &conversation.Error{
			Kind: conversation.Invalid, Op: op, Err: errors.New("there is no executor to choose from"),
			Remedy: "configure one, or name it in the order of preference",
		}
	}
	for _, e := range candidates { // all at once: a slow one must not hold up the others
		e.avail.refresh()
	}
	var (
		reasons []string
		kind    conversation.Kind
	)
	for _, e := range candidates {
		err := e.avail.wait(ctx)
		if err == nil {
			return e.name, e.exec, nil
		}
		if ctx.Err() != nil {
			return "", nil, fmt.Errorf("%s: %w", op, context.Cause(ctx))
		}
		reasons = append(reasons, fmt.Sprintf("%q: %v", e.name, err))
		switch k := conversation.KindOf(err); {
		case k == conversation.Unavailable || k == conversation.RateLimited:
			kind = conversation.Unavailable
		case kind == "":
			kind = k
		}
	}
	return "", nil, &conversation.Error{
		Kind: kind, Op: op,
		Err: fmt.Errorf("no executor is available: %s", strings.Join(reasons, "; ")),
	}
}

// Model is the model of the executor of that name, as About says. Empty: it is not known.
func (r *Registry) Model(name string) string {
	for _, e := range r.snapshot() {
		if e.name == name {
			return e.about.Model
		}
	}
	return ""
}

// A Listing is one executor in a list.
type Listing struct {
	Name    string `json:"name"`
	Backend string `json:"backend,omitempty"`
	Model   string `json:"model,omitempty"`
	// Available is whether it could work now; Reason says why not and what to do.
	Available bool   `json:"available"`
	Reason    string `json:"reason,omitempty"`
	// Err is the error; Reason is its text.
	Err error `json:"-"`
	// Tools is whether it offers an agent's tools to its model.
	Tools bool `json:"tools"`
	// Auto marks the one that [Auto] names at the moment.
	Auto bool `json:"auto,omitempty"`
}

// List lists every executor with its availability: first the candidates
// for [Auto], in order of preference, then the others as they were added. It
// checks all at once and takes no longer than one check may.
func (r *Registry) List(ctx context.Context) []Listing {
	candidates := r.candidates()
	entries := slices.Clone(candidates)
	for _, e := range r.snapshot() {
		if !slices.Contains(candidates, e) {
			entries = append(entries, e)
		}
	}
	for _, e := range entries {
		e.avail.refresh()
	}
	out := make([]Listing, 0, len(entries))
	picked := false
	for i, e := range entries {
		l := Listing{Name: e.name, Backend: e.about.Backend, Model: e.about.Model, Available: true, Tools: TakesTools(e.exec)}
		if err := e.avail.wait(ctx); err != nil {
			l.Available, l.Reason, l.Err = false, err.Error(), err
		}
		if l.Available && !picked && i < len(candidates) {
			l.Auto, picked = true, true
		}
		out = append(out, l)
	}
	return out
}

// candidates are the executors that Auto chooses from, the preferred first.
func (r *Registry) candidates() []*entry {
	entries := r.snapshot()
	if len(r.preference) == 0 {
		return entries
	}
	var out []*entry
	for _, want := range r.preference {
		for _, e := range entries {
			if (e.name == want || e.about.Backend == want) && !slices.Contains(out, e) {
				out = append(out, e)
			}
		}
	}
	return out
}

func (r *Registry) snapshot() []*entry {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Clone(r.entries)
}

func quoted(entries []*entry) []string {
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, fmt.Sprintf("%q", e.name))
	}
	slices.Sort(names)
	return names
}
