package process

import (
	"context"
	"fmt"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/parley-run/parley/internal/connect"
	"github.com/parley-run/parley/internal/versions"
	"github.com/parley-run/parley/workflows"
)

// follow follows what Temporal uses this worker's version for, in the log and in metrics,
// until stop is called.
func (s Settings) follow(ctx context.Context, temporal *connect.Client, queue string, own versions.Version, meter metric.Meter) (w *versions.Watch, stop func(), err error) {
	w = &versions.Watch{
		Reader:    versions.Reader{Client: temporal, Namespace: temporal.Namespace},
		TaskQueue: queue, Own: own, Logger: s.Logger,
		Count: func(ctx context.Context, query string) (int64, error) {
			n, err := temporal.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
				Query: fmt.Sprintf("WorkflowType = '%s' AND %s", workflows.ConversationName, query),
			})
			return n.GetCount(), err
		},
	}
	if err := countStanding(meter, w); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { w.Run(ctx) })
	return w, func() { cancel(); running.Wait() }, nil
}

// countStanding makes the gauges about versions.
func countStanding(meter metric.Meter, w *versions.Watch) error {
	_, err := meter.Int64ObservableGauge("parley.conversations.stranded",
		metric.WithDescription("Open conversations of the task queue that no worker can run."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			if s := w.Standing(); s != nil && s.Stranded >= 0 {
				o.Observe(s.Stranded, metric.WithAttributes(
					attribute.String("task_queue", s.State.TaskQueue), attribute.String("deployment", s.State.Deployment)))
			}
			return nil
		}))
	if err != nil {
		return err
	}
	_, err = meter.Int64ObservableGauge("parley.worker.version",
		metric.WithDescription("1 for the role that the version of this worker has now: current, ramping, draining, drained or inactive."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			if s := w.Standing(); s != nil {
				o.Observe(1, metric.WithAttributes(attribute.String("task_queue", s.State.TaskQueue),
					attribute.String("version", versions.Name(s.Own)), attribute.String("role", string(s.Role))))
			}
			return nil
		}))
	return err
}
