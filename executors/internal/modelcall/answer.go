package modelcall

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/printable"
)

// An Answer is the part of the model's answer received so far.
type Answer struct {
	// Text is what becomes the reply. The method Say adds to it.
	Text strings.Builder
	// Thoughts takes thoughts out of the text that Say gets.
	Thoughts Thoughts
	// OnDelta, if not nil, receives the pieces of Text from Say.
	OnDelta func(string)
	// Calls are the tool calls of the model, in order. The methods Call and AddCall add
	// some.
	Calls []*Call
	// Key is the base for ids of calls that arrive without one. See [CallKey].
	Key string
	// Offered reports whether a tool of this name is offered. Nil: it is not known.
	Offered func(name string) bool
	// Declined is why the model or a filter refused, which makes the answer
	// unusable. Empty: it did not refuse.
	Declined string
	Model    string
	// Finish is why the model stopped. It is empty until the model reports the end. The
	// method End sets it.
	Finish executors.FinishReason
	Usage  conversation.Usage

	word   string // the provider's word for Finish
	pieces pieces
}

// Faults of an answer without a reply.
var (
	// ErrNoAnswer is returned for an answer with neither text nor tool calls.
	ErrNoAnswer = errors.New("the answer is empty")
	// ErrOnlyThoughts is returned for an answer that has nothing else.
	ErrOnlyThoughts = errors.New("the answer has thoughts, and no text after them")
)

// Say adds a piece of the model's text. What is not thoughts becomes the reply, and is
// passed to OnDelta.
func (a *Answer) Say(piece string) { a.say(a.Thoughts.Add(piece)) }

func (a *Answer) say(text string) {
	if text == "" {
		return
	}
	a.Text.WriteString(text)
	if a.OnDelta != nil {
		a.OnDelta(text)
	}
}

// Restart drops what was received: the server began another answer in the same stream, as
// gateways do that change to another provider in the middle. The usage remains, as the
// first answer may have been paid.
func (a *Answer) Restart() {
	a.Text.Reset()
	a.Thoughts = Thoughts{keep: a.Thoughts.keep}
	a.Calls, a.pieces = nil, pieces{}
	a.Declined, a.Finish, a.word = "", "", ""
}

// End notes the provider's word for why the model stopped. See [Ended]. A word that is no
// end changes nothing.
func (a *Answer) End(word string) {
	if reason := Ended(word); reason != "" {
		a.Finish, a.word = reason, printable.Name(word, maxWord)
	}
}

// brokeOff returns the error of a server that stopped before the answer was complete.
func (a *Answer) brokeOff() error {
	if a.word == "" {
		return ErrCutOff
	}
	return fmt.Errorf("the server broke the answer off (%s)", a.word)
}

// text returns the reply, whose last pieces may have been held back.
func (a *Answer) text() (text string, thought bool) {
	a.say(a.Thoughts.Rest())
	text, thought = a.Text.String(), a.Thoughts.Found()
	if !a.Thoughts.keep {
		if rest, ok := WithoutOpening(text); ok {
			return rest, true
		}
	}
	return text, thought
}

// Result turns a complete answer into the executor's result, or into an error if it
// is unusable. Model is the requested one; it stands in the result when the answer
// names none.
func (a *Answer) Result(op, provider, model string, maxReplyBytes int) (executors.Result, error) {
	text, thought := a.text()
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
	case a.Finish == executors.FinishContentFilter:
		return fail(conversation.Refused, "", fmt.Errorf("a content filter stopped the answer (%s)", cmp.Or(a.word, string(a.Finish))))
	case a.Finish == executors.FinishError:
		return fail(conversation.Unavailable, "", a.brokeOff())
	case len(a.Calls) > 0 && a.Finish == executors.FinishLength:
		return fail(conversation.Invalid, "raise max_output_tokens: tool calls count towards it",
			errors.New("the answer reached its limit of tokens while calling tools"))
	case empty && a.Finish == executors.FinishLength:
		return fail(conversation.Invalid, "raise max_output_tokens: reasoning counts towards it",
			errors.New("the answer reached its token limit before any text"))
	case empty && thought:
		return fail(conversation.Unavailable, "", ErrOnlyThoughts)
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
