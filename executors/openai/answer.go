package openai

import (
	"context"
	"slices"
	"strings"

	sdk "github.com/openai/openai-go/v3"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// An answer is the part of the model's answer received so far.
type answer struct {
	modelcall.Answer
	refusal strings.Builder
	indexes []int64 // of Calls
	pending int     // bytes of calls that are not complete
	// cut means that the model was stopped before it was done.
	cut bool
}

// length returns how many bytes of text the answer has.
func (a *answer) length() int { return a.Size() + a.refusal.Len() + a.pending }

// fill reads a whole answer.
func (a *answer) fill(c *sdk.ChatCompletion) error {
	a.Usage.Calls = 1
	if c == nil { // the body was null
		return modelcall.ErrNoAnswer
	}
	if err := errorIn(c.RawJSON()); err != nil {
		return err
	}
	a.Model = c.Model
	a.count(c.Usage)
	if len(c.Choices) == 0 {
		return modelcall.ErrNoAnswer
	}
	choice := c.Choices[0]
	a.Text.WriteString(choice.Message.Content)
	a.refusal.WriteString(choice.Message.Refusal)
	for i, c := range choice.Message.ToolCalls {
		a.addCall(int64(i), c.ID, c.Function.Name, c.Function.Arguments)
	}
	a.Finish = finishReason(choice.FinishReason)
	return nil
}

func (a *answer) count(u sdk.CompletionUsage) {
	a.Usage.InputTokens = max(a.Usage.InputTokens, u.PromptTokens)
	a.Usage.OutputTokens = max(a.Usage.OutputTokens, u.CompletionTokens)
	a.Usage.CachedInputTokens = min(max(a.Usage.CachedInputTokens, u.PromptTokensDetails.CachedTokens), a.Usage.InputTokens)
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
	case strings.TrimSpace(a.Text.String()) == "" && a.refusal.Len() > 0 && len(a.Calls) == 0:
		a.Declined = e.clean("the model declined: " + conversation.Quote(a.refusal.String()))
	}
	if a.Finish == executors.FinishLength && len(a.Calls) > 0 && !slices.ContainsFunc(a.Calls, func(c *modelcall.Call) bool { return !c.Whole() }) {
		a.Finish = executors.FinishToolCall // the limit was reached after the calls
	}
	a.Key = modelcall.CallKey(req)
	return a.Result(e.op(), e.cfg.Provider, e.cfg.Model, e.cfg.MaxReplyBytes)
}

func finishReason(s string) executors.FinishReason {
	switch s {
	case "length":
		return executors.FinishLength
	case "content_filter":
		return executors.FinishContentFilter
	case "tool_calls", "function_call":
		return executors.FinishToolCall
	default: // compatible servers use names of their own for a normal end
		return executors.FinishStop
	}
}
