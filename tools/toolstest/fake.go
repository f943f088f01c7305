package toolstest

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/tools"
)

// Fake is a set for tests: it answers, waits and fails as told, and remembers
// what was called. The zero value has one tool, "echo", which answers with its
// arguments. Set the fields before the first call; the methods are safe for
// concurrent use.
type Fake struct {
	// Tools are what List returns. Nil: "echo".
	Tools []conversation.Tool
	// Reply answers. Nil: with the arguments.
	Reply func(ctx context.Context, call tools.Call) (tools.Result, error)
	// OnCall, if not nil, is called at the start of every call: a signal for
	// tests that act while a call is under way, or a place to hold it up.
	OnCall func(ctx context.Context, call tools.Call)
	// OnList, if not nil, is called at the start of every listing; an error is
	// what List returns.
	OnList func(ctx context.Context) error
	// Unavailable is what Check and List return. Nil: available.
	Unavailable error
	// Idempotent has the fake keep results by key, as a tool that takes an
	// idempotency key does: a further attempt gets the first one's result.
	Idempotent bool

	mu       sync.Mutex
	failures map[string][]error
	calls    []tools.Call
	listed   int
	runs     map[string]int
	results  map[string]tools.Result
	closed   bool
	changed  []conversation.Tool
	version  uint64
}

var (
	_ tools.Set       = (*Fake)(nil)
	_ tools.Checker   = (*Fake)(nil)
	_ tools.Versioned = (*Fake)(nil)
)

// Tool returns a tool that takes an object with a text.
func Tool(name string) conversation.Tool {
	return conversation.Tool{
		Name: name, Description: "The tool " + name + ".",
		Schema: json.RawMessage(`{"type":"object","properties":{"text":{"type":"string"}}}`),
	}
}

// Fail makes the first attempts at every call of a tool fail, one error each.
// Attempts beyond the errors given succeed. The tool has run nevertheless if the
// error says that it may have landed.
func (f *Fake) Fail(tool string, errs ...error) *Fake {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failures == nil {
		f.failures = make(map[string][]error)
	}
	f.failures[tool] = errs
	return f
}

// Change replaces the tools while the fake is in use.
func (f *Fake) Change(listed ...conversation.Tool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changed = listed
	f.version++
}

// Version counts changes.
func (f *Fake) Version() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.version
}

// Check returns Unavailable.
func (f *Fake) Check(ctx context.Context) error {
	if ctx.Err() != nil {
		return stopped(ctx, "fake: check", false)
	}
	return f.Unavailable
}

// List returns the tools.
func (f *Fake) List(ctx context.Context) ([]conversation.Tool, error) {
	f.mu.Lock()
	f.listed++
	f.mu.Unlock()
	if f.OnList != nil {
		if err := f.OnList(ctx); err != nil {
			return nil, err
		}
	}
	if ctx.Err() != nil {
		return nil, stopped(ctx, "fake: list", false)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.Unavailable != nil:
		return nil, f.Unavailable
	case f.version > 0:
		return slices.Clone(f.changed), nil
	case f.Tools == nil:
		return []conversation.Tool{Tool("echo")}, nil
	}
	return slices.Clone(f.Tools), nil
}

// Call records the call and then fails, waits and answers as told.
func (f *Fake) Call(ctx context.Context, call tools.Call) (tools.Result, error) {
	if ctx.Err() != nil {
		return tools.Result{}, stopped(ctx, "fake: call", false)
	}
	f.record(call)
	if f.OnCall != nil {
		f.OnCall(ctx, call)
	}
	if result, err, done := f.begin(call); done {
		return result, err
	}
	if ctx.Err() != nil {
		return tools.Result{}, stopped(ctx, "fake: call", true)
	}
	result := tools.Result{Content: string(call.Arguments)}
	if f.Reply != nil {
		var err error
		if result, err = f.Reply(ctx, call); err != nil {
			return tools.Result{}, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.Idempotent && call.Key != "" {
		if f.results == nil {
			f.results = make(map[string]tools.Result)
		}
		f.results[call.Key] = result
	}
	return result, nil
}

func (f *Fake) record(call tools.Call) {
	f.mu.Lock()
	defer f.mu.Unlock()
	call.Arguments = slices.Clone(call.Arguments)
	f.calls = append(f.calls, call)
}

// begin reports that the call is done if an error is due or the key is known. A
// call that goes on has run from here on, though nobody may wait for its answer.
func (f *Fake) begin(call tools.Call) (result tools.Result, err error, done bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if result, ok := f.results[call.Key]; ok {
		return result, nil, true
	}
	if errs, i := f.failures[call.Name], max(call.Attempt, 1)-1; i < len(errs) {
		err = errs[i]
	}
	var ce *conversation.Error
	if err == nil || errors.As(err, &ce) && ce.Ambiguous {
		if f.runs == nil {
			f.runs = make(map[string]int)
		}
		if !f.Idempotent || f.runs[call.Key] == 0 {
			f.runs[call.Key]++
		}
	}
	return tools.Result{}, err, err != nil
}

// Close makes the fake remember that it was closed.
func (f *Fake) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	return nil
}

// Closed reports whether it was.
func (f *Fake) Closed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closed
}

// Calls returns every call so far, in the order they came.
func (f *Fake) Calls() []tools.Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// Listed returns how often the tools were asked for.
func (f *Fake) Listed() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.listed
}

// Attempts returns the attempt numbers seen under a key.
func (f *Fake) Attempts(key string) []int {
	var out []int
	for _, call := range f.Calls() {
		if call.Key == key {
			out = append(out, call.Attempt)
		}
	}
	return out
}

// Runs returns how often a tool ran under each key: once is right.
func (f *Fake) Runs() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.runs)
}

// Duplicates returns how many runs were not the first under their key.
func (f *Fake) Duplicates() int {
	n := 0
	for _, times := range f.Runs() {
		n += times - 1
	}
	return n
}

func stopped(ctx context.Context, op string, ran bool) error {
	return &conversation.Error{Kind: conversation.Unavailable, Op: op, Ambiguous: ran, Err: context.Cause(ctx)}
}
