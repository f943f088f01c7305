package tools

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/settings"
)

// A Registry holds sets by name and enforces their rules. It is safe for concurrent
// use.
type Registry struct {
	ctx    context.Context // done when the registry is closed
	cancel context.CancelFunc
	asking sync.WaitGroup // listings in progress
	logger *slog.Logger

	mu      sync.RWMutex
	closed  bool
	entries []*entry // in the order they were added
}

type entry struct {
	name  string
	set   Set
	rules Rules
	cache listings
	notes notes
}

// An Option changes a registry.
type Option func(*Registry)

// WithLogger makes the registry log faults of the rules that a listing shows, and tools
// that change. Nil: silent.
func WithLogger(logger *slog.Logger) Option {
	return func(r *Registry) {
		if logger != nil {
			r.logger = logger
		}
	}
}

// NewRegistry returns an empty registry.
func NewRegistry(options ...Option) *Registry {
	ctx, cancel := context.WithCancel(context.Background())
	r := &Registry{ctx: ctx, cancel: cancel, logger: slog.New(slog.DiscardHandler)}
	for _, change := range options {
		change(r)
	}
	return r
}

// setName leaves space for a tool's name behind it.
var setName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

// Add adds a set. Closing the registry closes it if it is an [io.Closer]. The name
// must be new: letters, digits, "_" and "-", at most 32.
func (r *Registry) Add(name string, set Set, rules Rules) error {
	var errs []error
	if !setName.MatchString(name) {
		errs = append(errs, errors.New(`the name must be made of letters, digits, "_" and "-", at most 32`))
	}
	if set == nil {
		errs = append(errs, errors.New("the set is nil"))
	}
	if err := rules.Validate(); err != nil {
		errs = append(errs, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if slices.ContainsFunc(r.entries, func(have *entry) bool { return have.name == name }) {
		errs = append(errs, errors.New("there is one of that name"))
	}
	if r.closed {
		errs = append(errs, errClosed)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("tools: add %q: %w", name, err)
	}
	rules.Allow, rules.Ask, rules.Retry = slices.Clone(rules.Allow), slices.Clone(rules.Ask), maps.Clone(rules.Retry)
	r.entries = append(r.entries, &entry{name: name, set: set, rules: rules})
	return nil
}

var errClosed = errors.New("the registry is closed")

// Names lists the sets in the order they were added.
func (r *Registry) Names() []string {
	var names []string
	for _, e := range r.snapshot() {
		names = append(names, e.name)
	}
	return names
}

// Call runs a tool of a set, within the set's timeout. For a tool that the rules
// exclude, the model receives the same answer as for one that does not exist. The
// caller must check that the agent may use the set.
func (r *Registry) Call(ctx context.Context, set string, call Call) (Result, error) {
	op := fmt.Sprintf("tools: call %q of %q", call.Name, set)
	e, err := r.get(op, set)
	if err != nil {
		return Result{}, err
	}
	if !e.rules.Allows(call.Name) {
		return Result{Content: fmt.Sprintf("There is no tool %q.", call.Name), IsError: true}, nil
	}
	timeout := e.rules.timeout()
	late := fmt.Errorf("no answer within %v", timeout)
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, late)
	defer cancel()
	result, err := e.set.Call(ctx, call)
	if err == nil {
		return result, nil
	}
	var ce *conversation.Error
	if !errors.As(err, &ce) {
		// The call may have taken effect.
		err = &conversation.Error{Kind: conversation.Unavailable, Op: op, Ambiguous: true, Err: err}
	}
	if errors.Is(context.Cause(ctx), late) && !errors.Is(err, late) {
		return Result{}, fmt.Errorf("%w: %w", late, err)
	}
	return Result{}, err
}

// get returns the set of that name. An unknown name is an error of kind Invalid
// that lists the known names.
func (r *Registry) get(op, name string) (*entry, error) {
	entries := r.snapshot()
	for _, e := range entries {
		if e.name == name {
			return e, nil
		}
	}
	err := &conversation.Error{
		Kind: conversation.Invalid, Op: op, Err: fmt.Errorf("no set of tools is named %q", name),
		Remedy: "configure it under tools",
	}
	if len(entries) > 0 {
		names := make([]string, 0, len(entries))
		for _, e := range entries {
			names = append(names, fmt.Sprintf("%q", e.name))
		}
		slices.Sort(names)
		err.Remedy += ", or use one of " + strings.Join(names, ", ")
	}
	return nil, err
}

func (r *Registry) snapshot() []*entry {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Clone(r.entries)
}

// Close closes every set that can be closed, and waits for the registry's own work.
// Later calls of the sets fail.
func (r *Registry) Close() error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil
	}
	r.closed = true
	r.mu.Unlock()

	r.cancel()
	var (
		errs  = make([]error, len(r.entries))
		group sync.WaitGroup
	)
	for i, e := range r.entries { // concurrently: each may wait for a program to exit
		c, ok := e.set.(io.Closer)
		if !ok {
			continue
		}
		group.Go(func() {
			if err := c.Close(); err != nil {
				errs[i] = fmt.Errorf("tools: close %q: %w", e.name, err)
			}
		})
	}
	group.Wait()
	r.asking.Wait()
	return errors.Join(errs...)
}

// begin reports whether work on behalf of the registry may begin. The caller must
// call asking.Done afterwards.
func (r *Registry) begin() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.closed {
		return false
	}
	r.asking.Add(1)
	return true
}

// all in [Rules.Ask] means every tool, and in [Retry] every other one.
const all = "*"

// Validate reports all faults.
func (r Rules) Validate() error {
	var f settings.Faults
	if r.Timeout < 0 {
		f.Add("timeout", fmt.Sprintf("write more than 0, or leave it out for %v", DefaultTimeout), "is %v", r.Timeout)
	}
	for i, name := range r.Allow {
		switch name {
		case "":
			f.Add(fmt.Sprintf("allow[%d]", i), "write the name of a tool", "is empty")
		case all:
			f.Add(fmt.Sprintf("allow[%d]", i), "leave allow out, and all may be called", "is %q, which is no name of a tool", all)
		}
	}
	for i, name := range r.Ask {
		switch {
		case name == "":
			f.Add(fmt.Sprintf("ask[%d]", i), "write the name of a tool", "is empty")
		case name != all && !r.Allows(name):
			f.Add(fmt.Sprintf("ask[%d]", i), "", "is %q, which is not among those that allow names, so it is never called", name)
		}
	}
	r.Retry.validate(&f, r)
	return f.Err()
}

// asks reports whether a call of that tool requires approval in a set that closes, or
// does not.
func (r Rules) asks(name string, closed bool) bool {
	return r.Asks(name) || closed && !slices.Contains(r.Allow, name)
}

// closes reports whether ask names a tool that the listing lacks. That tool may have got
// another name, so tools that the rules do not name require approval.
func (r Rules) closes(listed []conversation.Tool) bool { return len(missing("ask", r.Ask, listed)) > 0 }

// Allows reports whether the tool of that name may be called.
func (r Rules) Allows(name string) bool { return r.Allow == nil || slices.Contains(r.Allow, name) }

// Asks reports whether a call of that tool requires an operator's approval.
func (r Rules) Asks(name string) bool {
	return slices.Contains(r.Ask, name) || slices.Contains(r.Ask, all)
}

func (r Rules) timeout() time.Duration {
	if r.Timeout > 0 {
		return r.Timeout
	}
	return DefaultTimeout
}
