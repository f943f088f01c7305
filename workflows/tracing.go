package workflows

import (
	"cmp"

	"go.opentelemetry.io/otel/attribute"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/tracing"
)

// enterTrace gives the context the conversation's trace, if anything is traced.
func (r *run) enterTrace(ctx workflow.Context) workflow.Context {
	return tracing.Enter(ctx, tracing.Of(r.in.Ref)...)
}

// leaveTrace ends the conversation's trace.
func (r *run) leaveTrace(ctx workflow.Context, e *ending, out conversation.Outcome) {
	attrs := append(tracing.Of(r.in.Ref), tracing.Usage(r.usage.total)...)
	attrs = append(attrs, tracing.KeyOutcome.String(string(out.Kind)), tracing.KeyTurns.Int(out.Turns), tracing.KeyMessages.Int(out.Messages))
	if out.EndedBy != "" {
		attrs = append(attrs, tracing.KeyEndedBy.String(string(out.EndedBy)))
	}
	kind := conversation.Kind("")
	if out.Kind == conversation.OutcomeFailed {
		kind = conversation.Kind(tracing.OutcomeFailed)
		if e != nil {
			kind = cmp.Or(e.cause, kind)
		}
	}
	tracing.Leave(ctx, r.started, kind, attrs...)
}

// tracedReply is reply as the span of a turn.
func (r *run) tracedReply(ctx workflow.Context) (*reply, *ending, error) {
	before := r.usage.total
	name := cmp.Or(r.about.AgentName, r.in.Ref.Agent)
	attrs := append(tracing.Of(r.in.Ref),
		tracing.KeyOperation.String(tracing.SpanTurn), tracing.KeyAgentName.String(tracing.Name(name)), tracing.KeyTurn.Int(r.transcript.nextTurn()))
	inside, span := tracing.Begin(ctx, tracing.SpanTurn, name, attrs...)
	out, e, err := r.reply(inside)
	if span == nil {
		return out, e, err
	}
	more := append(tracing.Usage(usageSince(before, r.usage.total)), r.answeredBy(out)...)
	kind := conversation.Kind("")
	if out == nil && e != nil && e.kind == conversation.OutcomeFailed {
		kind = cmp.Or(e.cause, conversation.Kind(tracing.OutcomeFailed))
	}
	span.EndWith(ctx, kind, "", more...)
	return out, e, err
}

// answeredBy says where a reply has come from, or that there is none.
func (r *run) answeredBy(out *reply) []attribute.KeyValue {
	switch {
	case out == nil:
		return []attribute.KeyValue{tracing.KeyResult.String(tracing.ResultInterrupted)}
	case out.byOperator:
		return []attribute.KeyValue{tracing.KeyResult.String(tracing.ResultOperator)}
	}
	attrs := []attribute.KeyValue{tracing.KeyExecutor.String(tracing.Name(r.agent.executor))}
	if r.agent.model != "" {
		attrs = append(attrs, tracing.KeyResponseModel.String(tracing.Name(r.agent.model)))
	}
	return attrs
}

// usageSince is what has been added.
func usageSince(before, now conversation.Usage) conversation.Usage {
	return conversation.Usage{
		InputTokens:       now.InputTokens - before.InputTokens,
		OutputTokens:      now.OutputTokens - before.OutputTokens,
		CachedInputTokens: now.CachedInputTokens - before.CachedInputTokens,
		CacheWriteTokens:  now.CacheWriteTokens - before.CacheWriteTokens,
		Cost:              now.Cost - before.Cost,
	}
}

// beginWait begins the span of a wait of the conversation.
func (r *run) beginWait(ctx workflow.Context, name, subject string, attrs ...attribute.KeyValue) (workflow.Context, *tracing.WorkflowSpan) {
	return tracing.Begin(ctx, name, subject, append(tracing.Of(r.in.Ref), attrs...)...)
}
