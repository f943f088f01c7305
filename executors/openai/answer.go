package openai

import (
	"context"
	"slices"
	"strings"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/lenient"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// An answer is the part of the model's answer received so far.
type answer struct {
	modelcall.Answer
	refusal strings.Builder
	pending int // bytes of calls that are not complete
	// cut means that the model was stopped before it was done.
	cut bool

	only     *int64          // the index of the choice that is read
	content  strings.Builder // the text with its thoughts
	parts    bool            // content is a list of parts
	returned returned
	signed   map[*modelcall.Call]*returned
	items    []reasoning
	counted  bool // the usage has come behind the answer
	tells    bool // the server says why the model stopped, or that it has not
}

// reset prepares an answer for the request, and keeps the usage.
func (e *Executor) reset(a *answer, req executors.Request, onDelta func(string)) {
	usage := a.Usage
	*a = answer{}
	a.Usage = usage
	a.Thoughts, a.OnDelta = modelcall.NewThoughts(e.cfg.Thoughts), onDelta
	a.For(req)
}

// length returns how many bytes of text the answer has.
func (a *answer) length() int { return a.Size() + a.refusal.Len() + a.pending }

// empty reports whether nothing has arrived.
func (a *answer) empty() bool {
	return a.content.Len() == 0 && a.refusal.Len() == 0 && len(a.Calls) == 0
}

// count reads the counts of tokens, whose names differ between servers. They only grow.
func (a *answer) count(u lenient.Object) {
	if len(u) == 0 {
		return
	}
	most := func(n int64, o lenient.Object, keys ...string) int64 {
		for _, key := range keys {
			n = max(n, o.Count(key))
		}
		return n
	}
	cached := most(0, u, "prompt_cache_hit_tokens", "cached_tokens")
	cached = most(cached, u.Object("prompt_tokens_details"), "cached_tokens")
	cached = most(cached, u.Object("input_tokens_details"), "cached_tokens")
	a.Usage.InputTokens = most(a.Usage.InputTokens, u, "prompt_tokens", "input_tokens")
	a.Usage.OutputTokens = most(a.Usage.OutputTokens, u, "completion_tokens", "output_tokens")
	a.Usage.CachedInputTokens = min(max(a.Usage.CachedInputTokens, cached), a.Usage.InputTokens)
}

// result turns a complete answer into the executor's result or error. It drops tool
// calls if the request offers no tools.
func (e *Executor) result(ctx context.Context, a *answer, req executors.Request) (executors.Result, error) {
	if len(req.Tools) == 0 {
		a.Calls = nil
	}
	switch {
	case a.length() > e.cfg.MaxReplyBytes:
		return executors.Result{}, e.failed(ctx, modelcall.ErrTooLarge, a.Usage)
	case a.Finish == executors.FinishContentFilter:
		a.Declined = "a content filter stopped the answer"
	case strings.TrimSpace(a.content.String()) == "" && a.refusal.Len() > 0 && len(a.Calls) == 0:
		a.Declined = e.clean("the model declined: " + conversation.Quote(a.refusal.String()))
	}
	if a.Finish == executors.FinishLength && len(a.Calls) > 0 && !slices.ContainsFunc(a.Calls, func(c *modelcall.Call) bool { return !c.Whole() }) {
		a.Finish = executors.FinishToolCall // the limit was reached after the calls
	}
	return a.Result(e.op(), e.cfg.Provider, e.cfg.Model, e.cfg.MaxReplyBytes)
}
