package function

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/settings"
	"github.com/parley-run/parley/tools"
)

// Config lists the functions of a set.
type Config struct {
	// Tools are made by [Of].
	Tools []Tool
	// Logger receives panics. Nil: silent.
	Logger *slog.Logger
}

// A Tool is a Go function that a model can call.
type Tool struct {
	tool conversation.Tool
	call func(ctx context.Context, call tools.Call) (tools.Result, error)
	err  error
}

// A Set is a set of Go functions.
type Set struct {
	tools  []Tool
	logger *slog.Logger
}

var _ tools.Set = (*Set)(nil)

// New makes a set. It reports all faults of all tools at once.
func New(cfg Config) (*Set, error) {
	var f settings.Faults
	names := make(map[string]bool, len(cfg.Tools))
	for i, t := range cfg.Tools {
		name, field := t.tool.Name, fmt.Sprintf("Tools[%d]", i)
		switch {
		case t.call == nil && t.err == nil:
			f.Add(field, "make it with Of", "is empty")
		case t.err != nil:
			f.Add(field, "", "%q: %v", name, t.err)
		case names[name]:
			f.Add(field, "give it another name", "is %q, and there is one of that name", name)
		}
		names[name] = true
	}
	if err := f.Err(); err != nil {
		return nil, fmt.Errorf("function: %w", err)
	}
	logger := cfg.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Set{tools: slices.Clone(cfg.Tools), logger: logger}, nil
}

// List describes the functions.
func (s *Set) List(ctx context.Context) ([]conversation.Tool, error) {
	if ctx.Err() != nil {
		return nil, &conversation.Error{Kind: conversation.Unavailable, Op: "function: list tools", Err: context.Cause(ctx)}
	}
	out := make([]conversation.Tool, 0, len(s.tools))
	for _, t := range s.tools {
		tool := t.tool
		tool.Schema = slices.Clone(tool.Schema)
		out = append(out, tool)
	}
	return out, nil
}

// Call runs a function on the caller's goroutine. It returns promptly once ctx is
// done if the function does.
func (s *Set) Call(ctx context.Context, call tools.Call) (tools.Result, error) {
	op := fmt.Sprintf("function: call %q", call.Name)
	if ctx.Err() != nil {
		return tools.Result{}, &conversation.Error{Kind: conversation.Unavailable, Op: op, Err: context.Cause(ctx)}
	}
	i := slices.IndexFunc(s.tools, func(t Tool) bool { return t.tool.Name == call.Name })
	if i < 0 {
		return failure(fmt.Sprintf("There is no tool %q.", call.Name)), nil
	}
	result, err := s.run(context.WithValue(ctx, callKey{}, call), s.tools[i], call)
	switch {
	case err == nil:
		return result, nil
	case ours(err) && ctx.Err() == nil:
		return tools.Result{}, err
	case ctx.Err() != nil:
		// The function stopped because of the timeout: its error is not for the
		// model, and says little of what was done.
		return tools.Result{}, &conversation.Error{
			Kind: conversation.Unavailable, Op: op, Ambiguous: true, Err: fmt.Errorf("%w: %w", context.Cause(ctx), err),
		}
	}
	return failure(err.Error()), nil
}

// run limits the effect of a panic to its call. The log gets the panic's value,
// which may not be meant for the model.
func (s *Set) run(ctx context.Context, t Tool, call tools.Call) (result tools.Result, err error) {
	defer func() {
		if v := recover(); v != nil {
			s.logger.Error("tool panicked", "tool", call.Name, "conversation_id", call.Conversation.ID,
				"panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			result, err = failure(fmt.Sprintf("The tool %q failed unexpectedly.", call.Name)), nil
		}
	}()
	return t.call(ctx, call)
}

// ours reports whether an error means that the tool's result is unknown.
func ours(err error) bool {
	var e *conversation.Error
	return errors.As(err, &e) && (e.Kind == conversation.Unavailable || e.Kind == conversation.RateLimited)
}

func failure(text string) tools.Result { return tools.Result{Content: text, IsError: true} }

type callKey struct{}

// CallOf returns the call that a function runs for: its key, attempt and
// conversation.
func CallOf(ctx context.Context) tools.Call {
	call, _ := ctx.Value(callKey{}).(tools.Call)
	return call
}
