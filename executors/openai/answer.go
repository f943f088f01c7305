package openai

import (
	"errors"
	"strings"

	sdk "github.com/openai/openai-go/v3"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
)

// An answer is what has come from the model so far.
type answer struct {
	text    strings.Builder
	refusal strings.Builder
	model   string
	finish  string // the API's word; empty: not finished
	usage   conversation.Usage
}

// fill takes an answer that came in one piece.
func (a *answer) fill(c *sdk.ChatCompletion) error {
	a.usage.Calls = 1
	if err := errorIn(c.RawJSON()); err != nil {
		return err
	}
	a.model = c.Model
	a.count(c.Usage)
	if len(c.Choices) == 0 {
		return errNoAnswer
	}
	choice := c.Choices[0]
	a.text.WriteString(choice.Message.Content)
	a.refusal.WriteString(choice.Message.Refusal)
	a.finish = choice.FinishReason
	return nil
}

func (a *answer) count(u sdk.CompletionUsage) {
	a.usage.InputTokens = max(a.usage.InputTokens, u.PromptTokens)
	a.usage.OutputTokens = max(a.usage.OutputTokens, u.CompletionTokens)
	a.usage.CachedInputTokens = min(max(a.usage.CachedInputTokens, u.PromptTokensDetails.CachedTokens), a.usage.InputTokens)
}

var errNoAnswer = errors.New("the answer is empty")

// result judges a complete answer.
func (e *Executor) result(a *answer) (executors.Result, error) {
	text, refusal := a.text.String(), a.refusal.String()
	fail := func(kind conversation.Kind, remedy string, err error) (executors.Result, error) {
		return executors.Result{}, &conversation.Error{Kind: kind, Op: e.op(), Err: err, Remedy: remedy, Usage: a.usage}
	}
	empty := strings.TrimSpace(text) == ""
	switch {
	case len(text)+len(refusal) > e.cfg.MaxReplyBytes:
		return fail(conversation.Invalid, remedyTooLarge, errTooLarge)
	case a.finish == "content_filter":
		return fail(conversation.Refused, "", errors.New("a content filter stopped the answer"))
	case empty && refusal != "":
		return fail(conversation.Refused, "", errors.New("the model declined: "+e.clean(refusal)))
	case empty && a.finish == "length":
		return fail(conversation.Invalid, "raise max_output_tokens: reasoning counts towards it",
			errors.New("the answer reached its limit of tokens before its first word"))
	case empty:
		return fail(conversation.Unavailable, "", errNoAnswer)
	}
	model := a.model
	if model == "" {
		model = e.cfg.Model
	}
	return executors.Result{
		Message:      conversation.Text(conversation.RoleAssistant, text),
		Usage:        a.usage,
		Provider:     e.cfg.Provider,
		Model:        model,
		FinishReason: finishReason(a.finish),
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
	default: // compatible servers have words of their own for a normal end
		return executors.FinishStop
	}
}
