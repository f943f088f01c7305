package telemetry_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/metric"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/budget"
	"github.com/parley-run/parley/executors/failover"
	"github.com/parley-run/parley/executors/limit"
	"github.com/parley-run/parley/internal/telemetry"
	"github.com/parley-run/parley/internal/telemetry/metricstest"
	"github.com/parley-run/parley/workflows"
)

// everything records each metric, with names made from one.
func everything(t *testing.T, x *telemetry.Executors, m *telemetry.Metrics, name string) {
	t.Helper()
	ctx, key := t.Context(), limit.Key{Provider: name}
	for _, of := range []limit.EventType{limit.EventSent, limit.EventQueued, limit.EventThrottled, limit.EventEnded} {
		x.Limited(ctx, limit.Event{Type: of, Key: key})
	}
	x.Switched(ctx, failover.Switch{Chain: name, From: name, To: name, Kind: conversation.Kind(name)})
	x.BreakerChanged(name, failover.StateOpen)
	x.Spent(ctx, budget.Spending{Executor: name, Model: name, Money: budget.One, Currency: name})
	// The tags of the SDK, as those of a worker's workflow.
	sdk := m.Temporal.WithTags(map[string]string{
		"namespace": name, "client_name": "temporal_go", "worker_type": "none", "workflow_type": name, "activity_type": "none", "task_queue": name,
	})
	with := func(key string) {
		handler := sdk.WithTags(map[string]string{"platform": name, "agent": name})
		if key != "" {
			handler = handler.WithTags(map[string]string{key: name})
		}
		for _, of := range workflows.Instruments() {
			switch {
			case of.Timer && key == extraLabel[of.Name]:
				handler.Timer(of.Name).Record(time.Second)
			case !of.Timer && key == extraLabel[of.Name]:
				handler.Counter(of.Name).Inc(1)
			}
		}
	}
	for _, key := range []string{"", "outcome", "kind", "decision"} {
		with(key)
	}
}

// extraLabel is the label that a metric has besides those of its conversation.
var extraLabel = map[string]string{
	workflows.MetricClosed: "outcome", workflows.MetricParkings: "kind", workflows.MetricApprovalWait: "decision",
}

func instruments(t *testing.T, provider metric.MeterProvider) (*telemetry.Executors, *telemetry.Metrics) {
	t.Helper()
	m, err := telemetry.Of(provider, nil)
	require.NoError(t, err)
	x, err := telemetry.NewExecutors(m.Meter, nil)
	require.NoError(t, err)
	return x, m
}

func TestThePageHasEveryMetricOfExecutorsAndWorkflows(t *testing.T) {
	t.Parallel()
	provider, reader := metricstest.Manual()
	x, m := instruments(t, provider)
	everything(t, x, m, "x")
	require.Len(t, metricstest.Compare(t, "../..", metricstest.Recorded(t, reader)), 9+len(workflows.Instruments()))
}

func TestNamesMakeNoSeriesWithoutEnd(t *testing.T) {
	t.Parallel()
	provider, reader := metricstest.Manual()
	x, m := instruments(t, provider)
	for i := range 10_000 {
		everything(t, x, m, fmt.Sprint("name ", i))
		m.Temporal.WithTags(map[string]string{"task_queue": fmt.Sprint(i)}).Counter("temporal_request").Inc(1)
	}
	recorded := metricstest.Recorded(t, reader)
	for _, name := range []string{"temporal_request", "parley.limit.queued", workflows.MetricClosed, "parley.cost"} {
		require.Contains(t, recorded, name)
	}
}
