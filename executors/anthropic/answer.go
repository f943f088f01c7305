package anthropic

import (
	"errors"

	sdk "github.com/anthropics/anthropic-sdk-go"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// An answer is the part of the model's answer received so far.
type answer struct {
	modelcall.Answer
	stop    sdk.StopReason // the API's stop_reason; empty: not finished
	why     string         // the API's explanation of a refusal
	counted tokens

	thoughts thinking
	calling  map[int64]*modelcall.Call // tool calls of a stream, by the index of their block
	musing   map[int64]*thought
}

// tokens are the provider's counts. It counts input read from its cache, and input
// written to it, separately from the rest.
type tokens struct{ input, cacheRead, cacheWritten, output int64 }

// fill reads a whole answer.
func (a *answer) fill(m *sdk.Message) error {
	a.Usage.Calls = 1
	if failure := errorIn(m.RawJSON()); failure != nil {
		return failure
	}
	a.begin(m)
	for _, block := range m.Content {
		switch block.Type {
		case "text":
			a.Text.WriteString(block.Text)
		case "tool_use":
			a.Call(block.ID, block.Name).Write(string(block.Input))
		case "thinking", "redacted_thinking":
			a.thoughts.begin(thought{block.Thinking, block.Signature, block.Data}, a.spoken())
		}
	}
	a.end(m.StopReason, m.StopDetails)
	return nil
}

// start reads the beginning of a block of a stream and returns its text.
func (a *answer) start(index int64, block sdk.ContentBlockStartEventContentBlockUnion) string {
	switch block.Type {
	case "text":
		return block.Text // usually empty
	case "tool_use":
		if a.calling == nil {
			a.calling = map[int64]*modelcall.Call{}
		}
		a.calling[index] = a.Call(block.ID, block.Name)
		a.calling[index].Write(input(block.Input))
	case "thinking", "redacted_thinking":
		if a.musing == nil {
			a.musing = map[int64]*thought{}
		}
		a.musing[index] = a.thoughts.begin(thought{block.Thinking, block.Signature, block.Data}, a.spoken())
	}
	return ""
}

// goOn reads a piece of a block and returns its text.
func (a *answer) goOn(index int64, delta sdk.MessageStreamEventUnionDelta) string {
	switch delta.Type {
	case "text_delta":
		return delta.Text
	case "input_json_delta":
		if c := a.calling[index]; c != nil {
			c.Write(delta.PartialJSON)
		}
	case "thinking_delta", "signature_delta":
		if t := a.musing[index]; t != nil {
			a.thoughts.add(t, thought{Text: delta.Thinking, Signature: delta.Signature})
		}
	}
	return ""
}

// spoken reports whether the answer has text or a tool call yet.
func (a *answer) spoken() bool { return a.Text.Len() > 0 || len(a.Calls) > 0 }

// begin reads what the API reports before the first text.
func (a *answer) begin(m *sdk.Message) {
	a.Model = m.Model
	a.count(tokens{m.Usage.InputTokens, m.Usage.CacheReadInputTokens, m.Usage.CacheCreationInputTokens, m.Usage.OutputTokens})
}

// end reads why the model stopped.
func (a *answer) end(reason sdk.StopReason, details sdk.RefusalStopDetails) {
	if reason != "" {
		a.stop, a.Finish = reason, finishReason(reason)
		a.why = details.Explanation
	}
}

// count updates the counts, which only grow: an event may omit some.
func (a *answer) count(t tokens) {
	a.counted = tokens{
		max(a.counted.input, t.input), max(a.counted.cacheRead, t.cacheRead),
		max(a.counted.cacheWritten, t.cacheWritten), max(a.counted.output, t.output),
	}
	a.Usage.InputTokens = a.counted.input + a.counted.cacheRead + a.counted.cacheWritten
	a.Usage.CachedInputTokens = a.counted.cacheRead
	a.Usage.CacheWriteTokens = a.counted.cacheWritten
	a.Usage.OutputTokens = a.counted.output
}

// result turns a complete answer into the executor's result or error.
func (e *Executor) result(req executors.Request, a *answer) (executors.Result, error) {
	if len(req.Tools) == 0 || len(a.Calls) == 0 {
		a.Calls = nil
	}
	switch {
	case a.stop == sdk.StopReasonRefusal:
		a.Declined = "the model declined"
		if a.why != "" {
			a.Declined += ": " + e.clean(conversation.Quote(a.why))
		}
	case a.stop == sdk.StopReasonModelContextWindowExceeded && (blank(a.Text.String()) || len(a.Calls) > 0):
		return executors.Result{}, &conversation.Error{
			Kind: conversation.ContextTooLong, Op: e.op(), Usage: a.Usage,
			Err:    errors.New("the conversation left the model no tokens for an answer"),
			Remedy: modelcall.RemedyTooLong,
		}
	}
	res, err := a.Result(e.op(), e.cfg.Provider, e.cfg.Model, e.cfg.MaxReplyBytes)
	if err == nil {
		res.State = e.keep(req.State, res, a)
	}
	return res, err
}

func finishReason(r sdk.StopReason) executors.FinishReason {
	switch r {
	case sdk.StopReasonMaxTokens, sdk.StopReasonModelContextWindowExceeded:
		return executors.FinishLength
	case sdk.StopReasonRefusal:
		return executors.FinishContentFilter
	case sdk.StopReasonToolUse:
		return executors.FinishToolCall
	default:
		return executors.FinishStop
	}
}
