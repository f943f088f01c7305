package gemini

import (
	"encoding/json"
	"errors"
	"fmt"

	"google.golang.org/genai"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// An answer is the part of the model's answer received so far.
type answer struct {
	modelcall.Answer
	reason  genai.FinishReason // the API's finishReason; empty: not finished
	why     string             // the API's explanation of it
	blocked string             // why the prompt was blocked

	signatures [][]byte // one for each call; nil: none
}

// add reads an answer, or a piece of one, and returns its text.
func (a *answer) add(r *genai.GenerateContentResponse) string {
	if r.ModelVersion != "" {
		a.Model = r.ModelVersion
	}
	if u := r.UsageMetadata; u != nil {
		a.count(u)
	}
	if f := r.PromptFeedback; f != nil && f.BlockReason != "" && f.BlockReason != genai.BlockedReasonUnspecified {
		a.blocked, a.why = string(f.BlockReason), f.BlockReasonMessage
		a.Finish = executors.FinishContentFilter
	}
	if len(r.Candidates) == 0 || r.Candidates[0] == nil {
		return ""
	}
	c := r.Candidates[0]
	if c.FinishReason != "" && c.FinishReason != genai.FinishReasonUnspecified {
		a.reason, a.why = c.FinishReason, c.FinishMessage
		a.Finish = finishReason(c.FinishReason)
	}
	text := ""
	if c.Content != nil {
		for _, p := range c.Content.Parts {
			if p == nil {
				continue
			}
			if p.FunctionCall != nil && !p.Thought {
				a.call(p)
			}
			if !p.Thought {
				text += p.Text
			}
		}
	}
	a.Text.WriteString(text)
	return text
}

// call reads a call, which arrives whole.
func (a *answer) call(p *genai.Part) {
	c := a.Call(p.FunctionCall.ID, p.FunctionCall.Name)
	if len(p.FunctionCall.Args) > 0 {
		args, _ := json.Marshal(p.FunctionCall.Args) // cannot fail: it was decoded from JSON
		c.Write(string(args))
	}
	signature := p.ThoughtSignature
	if len(signature) > maxState {
		signature = unsigned // too long to keep
	}
	a.signatures = append(a.signatures, signature)
}

// count updates the counts, which only grow: a piece may omit some.
func (a *answer) count(u *genai.GenerateContentResponseUsageMetadata) {
	a.Usage.InputTokens = max(a.Usage.InputTokens, int64(u.PromptTokenCount)+int64(u.ToolUsePromptTokenCount))
	a.Usage.OutputTokens = max(a.Usage.OutputTokens, int64(u.CandidatesTokenCount)+int64(u.ThoughtsTokenCount))
	a.Usage.CachedInputTokens = min(max(a.Usage.CachedInputTokens, int64(u.CachedContentTokenCount)), a.Usage.InputTokens)
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
		a.Declined = fmt.Sprintf("a filter stopped the answer (%s)%s", a.reason, because)
	case a.Finish == executors.FinishError:
		return executors.Result{}, &conversation.Error{
			Kind: conversation.Unavailable, Op: e.op(), Usage: a.Usage,
			Err: errors.New("the model broke off (" + string(a.reason) + ")" + because),
		}
	}
	res, err := a.Result(e.op(), e.cfg.Provider, e.cfg.Model, e.cfg.MaxReplyBytes)
	if err == nil {
		res.State = e.keep(req, res, a)
	}
	return res, err
}

func finishReason(r genai.FinishReason) executors.FinishReason {
	switch r {
	case genai.FinishReasonMaxTokens:
		return executors.FinishLength
	case genai.FinishReasonSafety, genai.FinishReasonRecitation, genai.FinishReasonLanguage, genai.FinishReasonBlocklist,
		genai.FinishReasonProhibitedContent, genai.FinishReasonSPII, genai.FinishReasonImageSafety,
		genai.FinishReasonImageProhibitedContent, genai.FinishReasonImageRecitation:
		return executors.FinishContentFilter
	case genai.FinishReasonOther, genai.FinishReasonMalformedFunctionCall, genai.FinishReasonUnexpectedToolCall,
		genai.FinishReasonTooManyToolCalls, genai.FinishReasonContinuation, genai.FinishReasonNoImage, genai.FinishReasonImageOther,
		"MALFORMED_RESPONSE", "MISSING_THOUGHT_SIGNATURE":
		return executors.FinishError // a retry may end differently
	default:
		return executors.FinishStop
	}
}
