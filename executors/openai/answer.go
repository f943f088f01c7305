package openai

import (
	"cmp"
	"context"
	"errors"
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
	calls   []*toolCall
	size    int // of the calls
	pending int // bytes of calls that are not complete
	// cut means that the model was stopped before it was done.
	cut bool
}

// length returns how many bytes of text the answer has.
func (a *answer) length() int { return a.Text.Len() + a.refusal.Len() + a.size + a.pending }

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
		a.calls = nil
	}
	switch {
	case a.length() > e.cfg.MaxReplyBytes:
		return executors.Result{}, e.failed(ctx, modelcall.ErrTooLarge, a.Usage)
	case a.Finish == executors.FinishContentFilter:
		a.Declined = "a content filter stopped the answer"
	case strings.TrimSpace(a.Text.String()) == "" && a.refusal.Len() > 0 && len(a.calls) == 0:
		a.Declined = e.clean("the model declined: " + conversation.Quote(a.refusal.String()))
	}
	if a.Declined == "" && len(a.calls) > 0 {
		return e.calling(a, req)
	}
	if a.Finish == executors.FinishToolCall {
		a.Finish = executors.FinishStop
	}
	return a.Result(e.op(), e.cfg.Provider, e.cfg.Model, e.cfg.MaxReplyBytes)
}

// calling returns the result of an answer with tool calls. Servers give them
// different finish reasons.
func (e *Executor) calling(a *answer, req executors.Request) (executors.Result, error) {
	calls, err := a.parts(req.IdempotencyKey)
	if err != nil {
		out := &conversation.Error{Kind: conversation.Unavailable, Op: e.op(), Err: err, Usage: a.Usage}
		if errors.Is(err, errCutCall) {
			out.Kind, out.Remedy = conversation.Invalid, "raise max_output_tokens: reasoning counts towards it"
		}
		return executors.Result{}, out
	}
	var parts []conversation.Part
	if text := a.Text.String(); strings.TrimSpace(text) != "" {
		parts = append(parts, conversation.Part{Type: conversation.PartText, Text: text})
	}
	return executors.Result{
		Message:      conversation.Message{Role: conversation.RoleAssistant, Parts: append(parts, calls...)},
		Usage:        a.Usage,
		Provider:     e.cfg.Provider,
		Model:        cmp.Or(a.Model, e.cfg.Model),
		FinishReason: executors.FinishToolCall,
	}, nil
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
