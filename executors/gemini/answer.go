package gemini

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/lenient"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// An answer is the part of the model's answer received so far.
type answer struct {
	modelcall.Answer
	reason  string // the API's finishReason; empty: not finished
	why     string // the API's explanation of it
	blocked string // why the prompt was blocked
	// continued means that the server expects another request for the rest.
	continued bool

	parts    []part  // what is sent back with the results of calls
	joined   *joined // the text of the last part, if pieces of it may follow
	returned int     // bytes of what came of them
}

// add reads an answer, or a piece of one.
func (a *answer) add(raw json.RawMessage) {
	r := lenient.Read(raw)
	if inner := r.Object("response"); r.Get("candidates") == nil && inner != nil {
		r = inner // some gateways wrap the answer
	}
	if model := r.Text("modelVersion", "model_version"); model != "" {
		a.Model = model
	}
	a.count(r.Object("usageMetadata", "usage_metadata"))
	if f := r.Object("promptFeedback", "prompt_feedback"); f != nil {
		if reason := f.Text("blockReason", "block_reason"); reason != "" && reason != "BLOCKED_REASON_UNSPECIFIED" {
			a.blocked, a.why = reason, f.Text("blockReasonMessage", "block_reason_message")
			a.Finish = executors.FinishContentFilter
		}
	}
	c := candidate(r.List("candidates"))
	if word := stopWord(c.Get("finishReason", "finish_reason")); word != "" {
		a.reason, a.why = word, c.Text("finishMessage", "finish_message")
		a.End(word)
	}
	a.continued = a.continued || c.Get("continuationToken") != nil
	for _, raw := range c.Object("content").List("parts") {
		a.part(raw)
	}
}

// candidate returns the candidate that is read: the one with index 0. Without an index
// it is the first.
func candidate(all []json.RawMessage) lenient.Object {
	for _, raw := range all {
		if c := lenient.Read(raw); c.Count("index") == 0 {
			return c
		}
	}
	return nil
}

// part reads a part of the content.
func (a *answer) part(raw json.RawMessage) {
	if text := lenient.Text(raw); text != "" {
		raw, _ = json.Marshal(map[string]string{"text": text}) // cannot fail for a string
	}
	p := lenient.Read(raw)
	call, text, thought := p.Object("functionCall", "function_call"), p.Text("text"), p.True("thought")
	a.keep(p, call != nil && !thought)
	if thought {
		return
	}
	a.Say(text)
	if call != nil {
		a.call(call)
	}
}

// call reads a call, which arrives whole.
func (a *answer) call(f lenient.Object) {
	c := a.Call(f.Text("id"), f.Text("name"))
	c.Write(string(f.Get("args", "arguments")))
}

// count updates the counts, which only grow: a piece may omit some.
func (a *answer) count(u lenient.Object) {
	input := u.Count("promptTokenCount", "prompt_token_count") + u.Count("toolUsePromptTokenCount", "tool_use_prompt_token_count")
	output := u.Count("candidatesTokenCount", "candidates_token_count") + u.Count("thoughtsTokenCount", "thoughts_token_count")
	if output == 0 { // some servers report only the sum
		output = max(0, u.Count("totalTokenCount", "total_token_count")-input)
	}
	a.Usage.InputTokens = max(a.Usage.InputTokens, input)
	a.Usage.OutputTokens = max(a.Usage.OutputTokens, output)
	cached := max(a.Usage.CachedInputTokens, u.Count("cachedContentTokenCount", "cached_content_token_count"))
	a.Usage.CachedInputTokens = min(cached, a.Usage.InputTokens)
}

// result turns a complete answer into the executor's result or error.
func (e *Executor) result(req executors.Request, a *answer) (executors.Result, error) {
	if len(req.Tools) == 0 {
		a.Calls = nil
	}
	because := ""
	if a.why != "" {
		because = ": " + e.clean(conversation.Quote(a.why))
	}
	switch {
	case a.blocked != "":
		a.Declined = fmt.Sprintf("the prompt was blocked (%s)%s", e.clean(a.blocked), because)
	case a.Finish == executors.FinishContentFilter:
		a.Declined = fmt.Sprintf("a filter stopped the answer (%s)%s", e.clean(a.reason), because)
	case a.Finish == executors.FinishError:
		return executors.Result{}, &conversation.Error{
			Kind: conversation.Unavailable, Op: e.op(), Usage: a.Usage,
			Err: errors.New("the model broke off (" + e.clean(a.reason) + ")" + because),
		}
	}
	res, err := a.Result(e.op(), e.cfg.Provider, e.cfg.Model, e.cfg.MaxReplyBytes)
	if err == nil && len(a.Calls) > 0 {
		res.Message.State = e.state(a)
	}
	return res, err
}
