package modelcall

import (
	"cmp"
	"errors"
	"strings"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
)

// An Answer is the part of the model's answer received so far.
type Answer struct {
	Text strings.Builder
	// Calls are the tool calls of the model, in order. The method Call adds one.
	Calls []*Call
	// Key is the base for ids of calls that arrive without one. See [CallKey].
	Key string
	// Declined is why the model or a filter refused, which makes the answer
	// unusable. Empty: it did not refuse.
	Declined string
	Model    string
	// Finish is why the model stopped. It is empty until the model reports the end.
	Finish executors.FinishReason
	Usage  conversation.Usage
}

// ErrNoAnswer is returned for an answer with neither text nor tool calls.
var ErrNoAnswer = errors.New("the answer is empty")

// Result turns a complete answer into the executor's result, or into an error if it
// is unusable. Model is the requested one; it stands in the result when the answer
// names none.
func (a *Answer) Result(op, provider, model string, maxReplyBytes int) (executors.Result, error) {
	text := a.Text.String()
	fail := func(kind conversation.Kind, remedy string, err error) (executors.Result, error) {
		return executors.Result{}, &conversation.Error{Kind: kind, Op: op, Err: err, Remedy: remedy, Usage: a.Usage}
	}
	blank := strings.TrimSpace(text) == ""
	empty := blank && len(a.Calls) == 0
	switch {
	case a.Size()+len(a.Declined) > maxReplyBytes:
		return fail(conversation.Invalid, remedyTooLarge, ErrTooLarge)
	case a.Declined != "":
		return fail(conversation.Refused, "", errors.New(a.Declined))
	case len(a.Calls) > 0 && a.Finish == executors.FinishLength:
		return fail(conversation.Invalid, "raise max_output_tokens: tool calls count towards it",
			errors.New("the answer reached its limit of tokens while calling tools"))
	case empty && a.Finish == executors.FinishLength:
		return fail(conversation.Invalid, "raise max_output_tokens: reasoning counts towards it",
			errors.New("the answer reached its token limit before any text"))
	case empty:
		return fail(conversation.Unavailable, "", ErrNoAnswer)
	}
	calls, err := a.toolCalls()
	if err != nil {
		return fail(conversation.Unavailable, "", err)
	}
	out := executors.Result{
		Message:      conversation.Text(conversation.RoleAssistant, text),
		Usage:        a.Usage,
		Provider:     provider,
		Model:        cmp.Or(a.Model, model),
		FinishReason: cmp.Or(a.Finish, executors.FinishStop),
	}
	switch {
	case len(calls) > 0:
		out.FinishReason = executors.FinishToolCall
		if blank {
			out.Message.Parts = nil
		}
		out.Message.Parts = append(out.Message.Parts, calls...)
	case out.FinishReason == executors.FinishToolCall:
		out.FinishReason = executors.FinishStop
	}
	return out, nil
}
