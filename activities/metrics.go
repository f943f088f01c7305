package activities

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/label"
)

// Metrics counts what the activities do. Calls are counted where they are made, not where
// their results are recorded: an attempt that joins the call of an earlier one adds
// nothing. The values of all attributes are bounded: see package label.
// docs/observability.md lists the instruments.
type Metrics struct {
	failures  metric.Int64Counter
	retries   metric.Int64Counter
	replies   metric.Float64Histogram
	tokens    metric.Int64Counter
	exchanges metric.Float64Histogram
	resends   metric.Int64Counter
	recovers  metric.Int64Counter
	lookups   metric.Int64Counter
	repeats   metric.Int64Counter
	joins     metric.Int64Counter
	toolCalls metric.Float64Histogram
	started   metric.Int64Counter
	polls     metric.Int64Counter
	pollFails metric.Int64Counter
	skipped   metric.Int64Counter
	decreases metric.Int64Counter

	labels   label.Set
	polling  polling
	observed metric.Registration
}

// NewMetrics makes the instruments. Call [Metrics.Close] when nothing is counted any more.
func NewMetrics(meter metric.Meter) (*Metrics, error) {
	var m Metrics
	var errs []error
	count := func(to *metric.Int64Counter, name, description string) {
		c, err := meter.Int64Counter(name, metric.WithDescription(description))
		*to, errs = c, append(errs, err)
	}
	seconds := func(to *metric.Float64Histogram, name, description string) {
		h, err := meter.Float64Histogram(name, metric.WithDescription(description), metric.WithUnit("s"),
			metric.WithExplicitBucketBoundaries(.01, .05, .1, .25, .5, 1, 2, 5, 10, 20, 30, 60, 120, 300))
		*to, errs = h, append(errs, err)
	}
	count(&m.failures, "parley.failures", "Attempts at steps that failed, by step and kind of error.")
	count(&m.retries, "parley.retries", "Attempts at steps that failed and are followed by another, by step and kind of error.")
	seconds(&m.replies, "parley.reply.duration", "Time of calls of executors that gave a reply, each call once.")
	count(&m.tokens, "parley.tokens", "Tokens of calls of executors, failed ones included, by direction.")
	seconds(&m.exchanges, "parley.exchange.duration", "Time of requests to the platform that were answered with the other side's message or the end.")
	seconds(&m.toolCalls, "parley.tool.duration", "Time of tool calls that gave a result, each call once, by tool.")
	count(&m.resends, "parley.exchange.resends", "Messages sent again because an earlier attempt had not reached the platform.")
	count(&m.repeats, "parley.reply.repeats", "Replies requested again because a worker died while one was on its way: it may have been paid for.")
	count(&m.joins, "parley.calls.joined", "Calls of models and tools that were not made again because an earlier attempt on this worker had made them, by step.")
	count(&m.recovers, "parley.exchange.recoveries", "Answers taken from the platform's transcript because they had been lost on the way.")
	count(&m.lookups, "parley.transcript.lookups", "Lookups in the worker's cache of transcripts, by hit.")
	count(&m.started, "parley.conversations.started", "Conversation workflows started by this worker's inboxes.")
	count(&m.polls, "parley.polls", "Polls for new conversations, by result.")
	count(&m.pollFails, "parley.poll.errors", "Polls for new conversations that failed, by kind of error.")
	count(&m.skipped, "parley.skipped", "Conversations and simulations that an inbox has begun to leave out, by kind of error.")
	count(&m.decreases, "parley.capacity.decreases", "How often fewer conversations of a platform were allowed to be open because it had too much to do.")
	observed, err := m.polling.register(meter, &m.labels)
	m.observed = observed
	return &m, errors.Join(append(errs, err)...)
}

// Close ends the observation of gauges. A provider that outlives this worker then exports
// no value of it any more.
func (m *Metrics) Close() {
	if m.observed != nil {
		_ = m.observed.Unregister() // it cannot fail: the registration is the provider's own
	}
}

func noMetrics() *Metrics {
	m, err := NewMetrics(noop.NewMeterProvider().Meter(""))
	if err != nil {
		panic(err) // the no-op meter knows no errors
	}
	return m
}

// with makes attributes of pairs of keys and values.
func (m *Metrics) with(pairs ...string) metric.MeasurementOption {
	by := make([]attribute.KeyValue, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		by = append(by, m.labels.Of(pairs[i], pairs[i+1]))
	}
	return metric.WithAttributes(by...)
}

func (m *Metrics) failure(ctx context.Context, step string, kind conversation.Kind) {
	m.failures.Add(ctx, 1, m.with("step", step, "kind", string(kind)))
}

func (m *Metrics) retried(ctx context.Context, step string, kind conversation.Kind) {
	m.retries.Add(ctx, 1, m.with("step", step, "kind", string(kind)))
}

// replied counts a call of an executor that gave a reply.
func (m *Metrics) replied(ctx context.Context, executor, model string, took time.Duration) {
	m.replies.Record(ctx, took.Seconds(), m.with("executor", executor, "model", model))
}

// used counts the tokens of a call of an executor. Of one that failed, the model is not
// known.
func (m *Metrics) used(ctx context.Context, executor, model string, usage conversation.Usage) {
	usage = usage.Plausible()
	for _, of := range []struct {
		direction string
		n         int64
	}{
		{"input", usage.InputTokens}, {"output", usage.OutputTokens}, {"estimated", usage.EstimatedTokens},
	} {
		if of.n > 0 {
			m.tokens.Add(ctx, of.n, m.with("executor", executor, "model", model, "direction", of.direction))
		}
	}
}

func (m *Metrics) exchanged(ctx context.Context, platform string, took time.Duration) {
	m.exchanges.Record(ctx, took.Seconds(), m.with("platform", platform))
}

func (m *Metrics) toolCalled(ctx context.Context, call PlannedCall, isError bool, took time.Duration) {
	m.toolCalls.Record(ctx, took.Seconds(), m.with("set", call.Set, "tool", call.Name), metric.WithAttributes(attribute.Bool("error", isError)))
}
func (m *Metrics) repeated(ctx context.Context) { m.repeats.Add(ctx, 1) }
func (m *Metrics) joined(ctx context.Context, step string) {
	m.joins.Add(ctx, 1, m.with("step", step))
}
func (m *Metrics) resent(ctx context.Context)    { m.resends.Add(ctx, 1) }
func (m *Metrics) recovered(ctx context.Context) { m.recovers.Add(ctx, 1) }
func (m *Metrics) cacheLookup(ctx context.Context, hit bool) {
	m.lookups.Add(ctx, 1, metric.WithAttributes(attribute.Bool("hit", hit)))
}
func (m *Metrics) conversationStarted(ctx context.Context, platform string, adopted bool) {
	m.started.Add(ctx, 1, m.with("platform", platform), metric.WithAttributes(attribute.Bool("adopted", adopted)))
}
func (m *Metrics) rowSkipped(ctx context.Context, in PollInput, kind conversation.Kind) {
	m.skipped.Add(ctx, 1, m.with("platform", in.Platform, "agent", in.Agent, "kind", string(kind)))
}

// polled counts a step of a poll and keeps what it has shown for the gauges.
func (m *Metrics) polled(ctx context.Context, in PollInput, status PollStatus, err error) {
	m.polls.Add(ctx, 1, m.with("platform", in.Platform, "agent", in.Agent), metric.WithAttributes(attribute.Bool("ok", err == nil)))
	if err != nil && ctx.Err() == nil {
		m.pollFails.Add(ctx, 1, m.with("platform", in.Platform, "agent", in.Agent, "kind", string(conversation.KindOf(err))))
	}
	m.polling.show(in, status)
}

func (m *Metrics) lowered(ctx context.Context, platform string) {
	m.decreases.Add(ctx, 1, m.with("platform", platform))
}
