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
	stopCounting, err := countStanding(meter, w)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { w.Run(ctx) })
	return w, func() { cancel(); running.Wait(); stopCounting() }, nil
}

// countStanding makes the gauges about versions.
func countStanding(meter metric.Meter, w *versions.Watch) (stop func(), err error) {
	stopStranded, err := observe(meter, "parley.conversations.stranded", "Open conversations of the task queue that no worker can run.",
		func(observe func(int64, ...attribute.KeyValue)) {
			if s := w.Standing(); s != nil && s.Stranded >= 0 {
				observe(s.Stranded, attribute.String("task_queue", s.State.TaskQueue), attribute.String("deployment", s.State.Deployment))
			}
		})
	if err != nil {
		return nil, err
	}
	stopVersion, err := observe(meter, "parley.worker.version", "1 for the role that the version of this worker has now: current, ramping, draining, drained or inactive.",
		func(observe func(int64, ...attribute.KeyValue)) {
			if s := w.Standing(); s != nil {
				observe(1, attribute.String("task_queue", s.State.TaskQueue), attribute.String("version", versions.Name(s.Own)), attribute.String("role", string(s.Role)))
			}
		})
	if err != nil {
		stopStranded()
		return nil, err
	}
	return stops{stopStranded, stopVersion}.call, nil
}
