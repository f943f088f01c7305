package activities

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/conversation/pressure"
)

// Metrics counts what the activities do. Attribute values come from small fixed
// sets, the names of configured executors and the names of models.
type Metrics struct {
	failures  metric.Int64Counter
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
	skipped   metric.Int64Counter
	open      metric.Int64Gauge
	waiting   metric.Int64Gauge
	limit     metric.Int64Gauge
	decreases metric.Int64Counter

	models, tools names
}

// NewMetrics makes the instruments.
func NewMetrics(meter metric.Meter) (*Metrics, error) {
	var m Metrics
	var errs []error
	count := func(to *metric.Int64Counter, name, description string) {
		c, err := meter.Int64Counter(name, metric.WithDescription(description))
		*to, errs = c, append(errs, err)
	}
	seconds := func(to *metric.Float64Histogram, name, description string) {
		h, err := meter.Float64Histogram(name, metric.WithDescription(description), metric.WithUnit("s"),
			metric.WithExplicitBucketBoundaries(.01, .05, .1, .5, 1, 2, 5, 10, 20, 30, 60, 120, 300))
		*to, errs = h, append(errs, err)
	}
	gauge := func(to *metric.Int64Gauge, name, description string) {
		g, err := meter.Int64Gauge(name, metric.WithDescription(description))
		*to, errs = g, append(errs, err)
	}
	count(&m.failures, "parley.failures", "Attempts of activities that failed, by step and kind of error.")
	seconds(&m.replies, "parley.reply.duration", "Time of attempts at the agent's reply that succeeded.")
	count(&m.tokens, "parley.tokens", "Model tokens of replies, by direction.")
	seconds(&m.exchanges, "parley.exchange.duration", "Time of exchanges with the platform that succeeded.")
	seconds(&m.toolCalls, "parley.tool.duration", "Time of tool calls that gave a result, by tool.")
	count(&m.resends, "parley.exchange.resends", "Messages sent again because an earlier attempt had not reached the platform.")
	count(&m.repeats, "parley.reply.repeats", "Replies asked for again because a worker died while one was on its way: it may have been paid for.")
	count(&m.joins, "parley.calls.joined", "Calls of models and tools that were not made again because an earlier attempt on this worker had made them, by step.")
	count(&m.recovers, "parley.exchange.recoveries", "Answers taken from the platform's transcript because they had got lost on the way.")
	count(&m.lookups, "parley.transcript.lookups", "Lookups in the worker's cache of transcripts, by hit.")
	count(&m.started, "parley.conversations.started", "Conversation workflows started by this worker's inboxes.")
	count(&m.polls, "parley.polls", "Polls for new conversations, by result.")
	count(&m.skipped, "parley.skipped", "Conversations and simulations that an inbox has begun to leave out, by kind of error.")
	gauge(&m.open, "parley.conversations.open", "Open conversations of a platform, as its inbox sees them.")
	gauge(&m.waiting, "parley.conversations.waiting", "Conversations waiting for this agent at the last poll.")
	gauge(&m.limit, "parley.capacity.limit", "Conversations of a platform that may be open now: max_open, or fewer while the platform has too much to do.")
	count(&m.decreases, "parley.capacity.decreases", "How often fewer conversations of a platform were allowed to be open because it had too much to do.")
	return &m, errors.Join(errs...)
}

func noMetrics() *Metrics {
	m, err := NewMetrics(noop.NewMeterProvider().Meter(""))
	if err != nil {
		panic(err) // the no-op meter knows no errors
	}
	return m
}

func (m *Metrics) failure(ctx context.Context, step string, kind conversation.Kind) {
	m.failures.Add(ctx, 1, metric.WithAttributes(attribute.String("step", step), attribute.String("kind", string(kind))))
}

func (m *Metrics) replied(ctx context.Context, out ReplyResult, took time.Duration) {
	by := []attribute.KeyValue{attribute.String("executor", out.Executor), attribute.String("model", m.models.label(out.Model))}
	m.replies.Record(ctx, took.Seconds(), metric.WithAttributes(by...))
	for direction, n := range map[string]int64{"input": out.Usage.InputTokens, "output": out.Usage.OutputTokens} {
		if n > 0 {
			m.tokens.Add(ctx, n, metric.WithAttributes(append(by, attribute.String("direction", direction))...))
		}
	}
}

func (m *Metrics) exchanged(ctx context.Context, took time.Duration) {
	m.exchanges.Record(ctx, took.Seconds())
}
func (m *Metrics) toolCalled(ctx context.Context, call PlannedCall, out CallToolResult, took time.Duration) {
	m.toolCalls.Record(ctx, took.Seconds(), metric.WithAttributes(
		attribute.String("set", call.Set), attribute.String("tool", m.tools.label(call.Name)), attribute.Bool("error", out.IsError)))
}
func (m *Metrics) repeated(ctx context.Context) { m.repeats.Add(ctx, 1) }
func (m *Metrics) joined(ctx context.Context, step string) {
	m.joins.Add(ctx, 1, metric.WithAttributes(attribute.String("step", step)))
}
func (m *Metrics) resent(ctx context.Context)    { m.resends.Add(ctx, 1) }
func (m *Metrics) recovered(ctx context.Context) { m.recovers.Add(ctx, 1) }
func (m *Metrics) cacheLookup(ctx context.Context, hit bool) {
	m.lookups.Add(ctx, 1, metric.WithAttributes(attribute.Bool("hit", hit)))
}
func (m *Metrics) conversationStarted(ctx context.Context, platform string, adopted bool) {
	m.started.Add(ctx, 1, metric.WithAttributes(attribute.String("platform", platform), attribute.Bool("adopted", adopted)))
}
func (m *Metrics) rowSkipped(ctx context.Context, in PollInput, kind conversation.Kind) {
	m.skipped.Add(ctx, 1, metric.WithAttributes(attribute.String("platform", in.Platform), attribute.String("agent", in.Agent), attribute.String("kind", string(kind))))
}
func (m *Metrics) polled(ctx context.Context, in PollInput, status PollStatus, err error) {
	by := []attribute.KeyValue{attribute.String("platform", in.Platform), attribute.String("agent", in.Agent)}
	m.polls.Add(ctx, 1, metric.WithAttributes(append(by, attribute.Bool("ok", err == nil))...))
	m.open.Record(ctx, int64(status.Open), metric.WithAttributes(by[0]))
	m.waiting.Record(ctx, int64(status.Waiting), metric.WithAttributes(by...))
	m.limited(ctx, in.Platform, status.Limit, status.Reduced)
}

// limited records how many may be open, where there is a limit.
func (m *Metrics) limited(ctx context.Context, platform string, limit int, reduced *pressure.Reduction) {
	if reduced != nil {
		limit = min(limit, reduced.Limit)
	}
	if limit > 0 {
		m.limit.Record(ctx, int64(limit), metric.WithAttributes(attribute.String("platform", platform)))
	}
}
func (m *Metrics) lowered(ctx context.Context, platform string) {
	m.decreases.Add(ctx, 1, metric.WithAttributes(attribute.String("platform", platform)))
}
