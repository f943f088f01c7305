package anthropic

import (
	"cmp"
	"encoding/json"
	"errors"

	sdk "github.com/anthropics/anthropic-sdk-go"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/lenient"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// An answer is the part of the model's answer received so far.
type answer struct {
	modelcall.Answer
	id      string         // the API's id of the message
	stop    sdk.StopReason // the API's stop_reason; empty: not finished
	stopped bool           // the stream has come to its end
	why     string         // the API's explanation of a refusal
	counted tokens
	blocks  blocks
}

// tokens are the provider's counts. It counts input read from its cache, and input
// written to it, separately from the rest.
type tokens struct{ input, cacheRead, cacheWritten, output int64 }

// whole reads a whole answer.
func (a *answer) whole(data []byte) error {
	if err := unusable(data); err != nil {
		return err
	}
	a.message(lenient.Read(data))
	return nil
}

// usable reports whether an answer without a stop_reason is complete enough to be one: no
// block is open that the server has begun.
func (a *answer) usable() bool {
	if n := len(a.blocks.all); n > 0 && !a.stopped {
		if last := a.blocks.all[n-1]; last.fields != nil && !last.closed && (last.call == nil || !last.call.Whole()) {
			return false
		}
	}
	for _, c := range a.Calls {
		if !c.Empty() && !c.Whole() {
			return false
		}
	}
	return len(a.Calls) > 0 || !blank(a.Text.String())
}

// event reads an event of a stream. Name is the one outside its data.
func (a *answer) event(name string, data json.RawMessage) {
	e := lenient.Read(data)
	kind := cmp.Or(e.Text("type"), name)
	switch kind {
	case "message_start":
		m := e.Object("message")
		a.again(m.Text("id"))
		a.begin(m)
		a.content(m)
	case "content_block_start":
		a.start(index(e), e.Object("content_block"))
	case "content_block_delta":
		a.goOn(index(e), e.Object("delta"))
	case "content_block_stop":
		a.blocks.close(index(e))
	case "message_delta", "message_stop":
		a.stopped = a.stopped || kind == "message_stop"
		a.count(e.Object("usage"))
		a.count(e.Object("amazon-bedrock-invocationMetrics"))
		a.end(e.Object("delta"))
		a.end(e)
	case "message": // a whole answer as an event
		a.message(e)
	}
}

// again drops what was received of a message with another id. Gateways that change to
// another provider in the middle begin a new message in the same stream; others send the
// beginning of one message twice.
func (a *answer) again(id string) {
	if id == "" || id == a.id {
		return
	}
	if a.id != "" {
		a.Restart()
		a.stop, a.stopped, a.why, a.blocks = "", false, "", blocks{}
	}
	a.id = id
}

// message reads a whole answer.
func (a *answer) message(m lenient.Object) {
	a.begin(m)
	a.content(m)
	a.end(m)
}

// begin reads what the API reports before the first text.
func (a *answer) begin(m lenient.Object) {
	a.Model = cmp.Or(m.Text("model"), a.Model)
	a.count(m.Object("usage"))
}

// content reads whole blocks.
func (a *answer) content(m lenient.Object) {
	for _, raw := range m.List("content") {
		if text := lenient.Text(raw); text != "" {
			a.Say(text) // some servers send no blocks
			continue
		}
		a.start(none, lenient.Read(raw))
		a.blocks.close(none)
	}
}

// start reads the beginning of a block, or a whole one.
func (a *answer) start(index int64, fields lenient.Object) {
	b := newBlock(fields)
	if b.kind == toolUse {
		if a.blocks.repeats(index, b) {
			return
		}
		b.call = a.Call(fields.Text("id"), fields.Text("name"))
	}
	a.blocks.open(index, b)
	if b.kind == textBlock {
		a.Say(b.text.String())
	}
}

// goOn reads a piece of a block.
func (a *answer) goOn(index int64, delta lenient.Object) {
	switch deltaType(delta) {
	case "text":
		a.blocks.write(&a.blocks.at(index, textBlock).text, delta.Text("text"))
		a.Say(delta.Text("text"))
	case "thinking":
		a.blocks.write(&a.blocks.at(index, thinkingBlock).text, delta.Text("thinking"))
	case "signature":
		a.blocks.write(&a.blocks.at(index, thinkingBlock).signature, delta.Text("signature"))
	case "input_json":
		a.input(index, delta.Get("partial_json"))
	}
}

// input reads a piece of the arguments of a call.
func (a *answer) input(index int64, raw json.RawMessage) {
	piece := lenient.Text(raw)
	if piece == "" && len(raw) > 0 && raw[0] == '{' {
		piece = string(raw) // an object in place of its text
	}
	if piece == "" {
		return
	}
	b := a.blocks.taking(index)
	if b == nil { // its beginning is missing, and with it the name
		b = newBlock(lenient.Object{"type": json.RawMessage(`"tool_use"`)})
		b.call = a.Call("", "")
		a.blocks.open(index, b)
	}
	if b.call != nil {
		b.call.Write(piece)
		return
	}
	a.blocks.write(&b.input, piece)
}

// end reads why the model stopped.
func (a *answer) end(m lenient.Object) {
	if word := m.Text("stop_reason"); word != "" {
		a.End(word)
		if a.Finish != "" {
			a.stop, a.why = sdk.StopReason(word), m.Object("stop_details").Text("explanation")
		}
	}
}

// count updates the counts, which only grow: an event may omit some. Gateways use names
// of other APIs.
func (a *answer) count(u lenient.Object) {
	a.counted = tokens{
		max(a.counted.input, u.Count("input_tokens", "prompt_tokens", "inputTokenCount")),
		max(a.counted.cacheRead, u.Count("cache_read_input_tokens", "cacheReadInputTokenCount")),
		max(a.counted.cacheWritten, u.Count("cache_creation_input_tokens", "cacheWriteInputTokenCount")),
		max(a.counted.output, u.Count("output_tokens", "completion_tokens", "outputTokenCount")),
	}
	a.Usage.InputTokens = a.counted.input + a.counted.cacheRead + a.counted.cacheWritten
	a.Usage.CachedInputTokens = a.counted.cacheRead
	a.Usage.CacheWriteTokens = a.counted.cacheWritten
	a.Usage.OutputTokens = a.counted.output
}

// result turns a complete answer into the executor's result or error.
func (e *Executor) result(req executors.Request, a *answer) (executors.Result, error) {
	a.blocks.complete()
	if len(req.Tools) == 0 {
		a.Calls = nil
	}
	none := blank(a.Text.String()) && len(a.Calls) == 0
	switch {
	case a.stop == sdk.StopReasonRefusal:
		a.Declined = "the model declined"
		if a.why != "" {
			a.Declined += ": " + e.clean(conversation.Quote(a.why))
		}
	case a.stop == sdk.StopReasonModelContextWindowExceeded && (none || len(a.Calls) > 0):
		return executors.Result{}, &conversation.Error{
			Kind: conversation.ContextTooLong, Op: e.op(), Usage: a.Usage,
			Err:    errors.New("the conversation left the model no tokens for an answer"),
			Remedy: modelcall.RemedyTooLong,
		}
	case a.stop == sdk.StopReasonPauseTurn && none:
		return executors.Result{}, &conversation.Error{
			Kind: conversation.Unavailable, Op: e.op(), Usage: a.Usage,
			Err: errors.New("the model paused for the server's tools before any text"),
		}
	case a.stop == sdk.StopReasonPauseTurn && len(a.Calls) > 0:
		a.Finish = executors.FinishToolCall // its calls are complete
	}
	res, err := a.Result(e.op(), e.cfg.Provider, e.cfg.Model, e.cfg.MaxReplyBytes)
	if err == nil && len(a.Calls) > 0 {
		res.Message.State = e.state(&a.blocks)
	}
	return res, err
}
