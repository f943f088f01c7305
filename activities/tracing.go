package activities

import (
	"errors"
	"strings"

	"go.opentelemetry.io/otel/attribute"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/limit"
	"github.com/parley-run/parley/internal/tracing"
)

// spanOf is the name of the span of an attempt at a step.
func spanOf(step string) string {
	switch step {
	case "reply":
		return tracing.SpanReply
	case "tool":
		return tracing.SpanTool
	}
	return strings.ReplaceAll(step, " ", "_")
}

// traceEnd says in the attempt's span how an attempt without a result ended.
func (a *attempt) traceEnd(result string) { a.span.Set(tracing.KeyResult.String(result)) }

// traceFailure says in the attempt's span that it has failed. Some kinds are outcomes.
func (a *attempt) traceFailure(err error) {
	switch kind := conversation.KindOf(err); kind {
	case conversation.Claimed, conversation.Ended, conversation.Reset:
		a.traceEnd(strings.ToLower(string(kind)))
	default:
		a.span.Fail(err)
	}
}

// traceRequest says in the span of a reply who is asked.
func (r *replying) traceRequest(executor string) {
	model := ""
	if known, ok := r.executors.(modelNames); ok {
		model = known.Model(executor)
	}
	r.span.Set(tracing.KeyExecutor.String(tracing.Name(executor)))
	if model == "" {
		r.span.Title(tracing.SpanReply, executor)
		return
	}
	r.span.Title(tracing.SpanReply, model)
	r.span.Set(tracing.KeyRequestModel.String(tracing.Name(model)))
}

// modelNames knows the models of executors beforehand. The registry of executors does.
type modelNames interface {
	// Model is the model of an executor. Empty: it is not known.
	Model(executor string) string
}

// traceReply says in the span of a reply what came of it. The usage is that of this attempt.
func (r *replying) traceReply(out ReplyResult) {
	attrs := tracing.Usage(out.Usage)
	for _, name := range []struct {
		key   attribute.Key
		value string
	}{{tracing.KeyProvider, out.Provider}, {tracing.KeyResponseModel, out.Model}} {
		if name.value != "" {
			attrs = append(attrs, name.key.String(tracing.Name(name.value)))
		}
	}
	if out.FinishReason != "" {
		attrs = append(attrs, tracing.KeyFinishReasons.StringSlice([]string{tracing.Name(string(out.FinishReason))}))
	}
	r.span.Set(attrs...)
	r.span.Output(out.Message, string(out.FinishReason))
}

// traceNoReply says in the span of a reply what an attempt without one has cost.
func (r *replying) traceNoReply(err error) {
	if e := asError(err); e != nil {
		r.span.Set(tracing.Usage(e.Usage.Plausible())...)
	}
	if errors.Is(err, limit.ErrQueued) {
		r.traceEnd(tracing.ResultQueued)
	}
}

// traceCall says in the span of a tool call what is called.
func (t *calling) traceCall() {
	call := t.in.Call
	t.span.Title(tracing.SpanTool, call.Tool)
	t.span.Set(
		tracing.KeyOperation.String(tracing.SpanTool), tracing.KeyToolName.String(tracing.Name(call.Tool)), tracing.KeyToolCallID.String(tracing.ID(call.CallID)),
		tracing.KeyToolSet.String(tracing.Name(call.Set)), tracing.KeyTurn.Int(t.in.Turn))
	t.span.Arguments(call.Arguments)
}

// traceResult says what the tool has answered.
func (t *calling) traceResult(out CallToolResult) {
	if out.IsError {
		t.span.Set(tracing.KeyToolError.Bool(true))
	}
	t.span.Answer(out.Content)
}
