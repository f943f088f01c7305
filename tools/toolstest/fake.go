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

// Fake is a set for tests: it answers, blocks and fails as configured, and records
// its calls. The zero value has one tool, "echo", which returns its arguments. Set
// the fields before the first call; the methods are safe for concurrent use.
type Fake struct {
	// Tools are what List returns. Nil: "echo".
	Tools []conversation.Tool
	// Reply answers calls. Nil: returns the arguments.
	Reply func(ctx context.Context, call tools.Call) (tools.Result, error)
	// OnCall, if not nil, runs at the start of every call: to signal that a call is
	// in progress, or to delay it.
	OnCall func(ctx context.Context, call tools.Call)
	// OnList, if not nil, runs at the start of every listing; List returns its
	// error.
	OnList func(ctx context.Context) error
	// Unavailable is what Check and List return. Nil: available.
	Unavailable error
	// Idempotent makes the fake keep results by key, as a tool with idempotency
	// keys does: a later attempt gets the first result.
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

// Fail makes the first attempts at every call of a tool fail, one for each error.
// Later attempts succeed. The tool runs all the same if the error is ambiguous.
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

// Call records the call and then fails, blocks and answers as configured.
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

// begin reports that the call is done if an error is due or the key is known. Any
// other call has run from here on, even if it is abandoned.
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

// Close records that the fake is closed.
func (f *Fake) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	return nil
}

// Closed reports whether it is.
func (f *Fake) Closed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closed
}

// Calls returns all calls so far, in order.
func (f *Fake) Calls() []tools.Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// Listed returns how often the tools were listed.
func (f *Fake) Listed() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.listed
}

// Attempts returns the attempt numbers under a key.
func (f *Fake) Attempts(key string) []int {
	var out []int
	for _, call := range f.Calls() {
		if call.Key == key {
			out = append(out, call.Attempt)
		}
	}
	return out
}

// Runs returns how often a tool ran under each key: more than once is a duplicate.
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
