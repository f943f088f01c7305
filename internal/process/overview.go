package process

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/label"
	"github.com/parley-run/parley/workflows"
)

const (
	// lookEvery is how often Temporal's visibility is asked, by each worker: one query for
	// each platform and two more, three more in a large outage.
	lookEvery = time.Minute
	// firstLook is when a worker reads them first.
	firstLook   = 10 * time.Second
	lookAnswers = 15 * time.Second
	// lookKept is how long what was read is exported if it cannot be read again.
	lookKept = 3 * time.Minute
	// mostListed is how many conversations that wait for an operator are told apart by kind;
	// those beyond count as label.Other.
	mostListed = 1000
)

// Visibility counts and lists workflows. A client.Client is one.
type Visibility interface {
	CountWorkflow(ctx context.Context, request *workflowservice.CountWorkflowExecutionsRequest) (*workflowservice.CountWorkflowExecutionsResponse, error)
	ListWorkflow(ctx context.Context, request *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error)
}

// An Overview counts, for gauges, what Temporal's visibility shows of a task queue. All
// workers of the queue see the same.
type Overview struct {
	Temporal             Visibility
	Namespace, TaskQueue string
	// Platforms are those whose open conversations are counted.
	Platforms []string

	labels label.Set
	seen   atomic.Pointer[seen]
}

// seen is one reading.
type seen struct {
	at      time.Time
	open    map[string]int64      // by platform
	parked  map[[2]string]int64   // by platform and kind
	waiting map[string]int64      // conversations that wait for approval, by platform
	since   map[string]time.Time  // the oldest of them
	inboxes map[inboxNamed]string // their states
}

type inboxNamed struct{ platform, agent string }

// run reads until ctx is done, first when the worker has found its place: one that ends at
// once, or starts again and again, costs Temporal nothing.
func (v *Overview) run(ctx context.Context) {
	for pause := firstLook; ; pause = lookEvery {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause + rand.N(pause/10)):
		}
		v.Read(ctx)
	}
}

// Read makes a new reading. One that fails leaves the one before, for a time: the
// connection to Temporal is checked elsewhere.
func (v *Overview) Read(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lookAnswers)
	defer cancel()
	now := &seen{
		at: time.Now(), open: make(map[string]int64), parked: make(map[[2]string]int64), waiting: make(map[string]int64),
		since: make(map[string]time.Time), inboxes: make(map[inboxNamed]string),
	}
	for _, read := range []func(context.Context, *seen) error{v.readOpen, v.readWaiting, v.readInboxes} {
		if read(ctx, now) != nil {
			return
		}
	}
	v.seen.Store(now)
}

// running is the condition of the running workflows of a type.
func (v *Overview) running(kind string) string {
	return fmt.Sprintf("WorkflowType = %s AND ExecutionStatus = 'Running' AND TaskQueue = %s", quoted(kind), quoted(v.TaskQueue))
}

// quoted makes a value safe in a visibility query.
func quoted(value string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
}

func (v *Overview) count(ctx context.Context, query string) (int64, error) {
	n, err := v.Temporal.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Namespace: v.Namespace, Query: query})
	return n.GetCount(), err
}

func (v *Overview) readOpen(ctx context.Context, now *seen) error {
	for _, platform := range v.Platforms {
		n, err := v.count(ctx, fmt.Sprintf("%s AND %s = %s", v.running(workflows.ConversationName), workflows.KeyPlatform.GetName(), quoted(platform)))
		if err != nil {
			return err
		}
		now.open[platform] = n
	}
	return nil
}

// readWaiting reads what waits for an operator.
func (v *Overview) readWaiting(ctx context.Context, now *seen) error {
	status := workflows.KeyStatus.GetName()
	base := v.running(workflows.ConversationName)
	found, err := v.Temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: v.Namespace, PageSize: mostListed,
		Query: fmt.Sprintf("%s AND %s IN ('%s', '%s')", base, status, workflows.StateNeedsAttention, workflows.StateNeedsApproval),
	})
	if err != nil {
		return err
	}
	listed := make(map[string]int64) // by state
	for _, info := range found.GetExecutions() {
		has := attributesOf(info)
		platform, state := has.text(workflows.KeyPlatform.GetName()), has.text(status)
		listed[state]++
		switch workflows.State(state) {
		case workflows.StateNeedsAttention:
			now.parked[[2]string{platform, has.text(workflows.KeyReason.GetName())}]++
		case workflows.StateNeedsApproval:
			now.waiting[platform]++
			since := has.time(workflows.KeySince.GetName())
			if before := now.since[platform]; !since.IsZero() && (before.IsZero() || since.Before(before)) {
				now.since[platform] = since
			}
		}
	}
	if len(found.GetNextPageToken()) == 0 {
		return nil
	}
	for state, add := range map[workflows.State]func(int64){
		workflows.StateNeedsAttention: func(n int64) { now.parked[[2]string{label.Other, label.Other}] += n },
		workflows.StateNeedsApproval:  func(n int64) { now.waiting[label.Other] += n },
	} {
		n, err := v.count(ctx, fmt.Sprintf("%s AND %s = '%s'", base, status, state))
		if err != nil {
			return err
		}
		if more := n - listed[string(state)]; more > 0 {
			add(more)
		}
	}
	return nil
}

func (v *Overview) readInboxes(ctx context.Context, now *seen) error {
	found, err := v.Temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: v.Namespace, PageSize: mostListed, Query: v.running(workflows.InboxName),
	})
	if err != nil {
		return err
	}
	for _, info := range found.GetExecutions() {
		has := attributesOf(info)
		named := inboxNamed{has.text(workflows.KeyPlatform.GetName()), has.text(workflows.KeyAgent.GetName())}
		now.inboxes[named] = has.text(workflows.KeyStatus.GetName())
	}
	return nil
}

// attributes are the search attributes of a workflow. Temporal never encrypts them.
type attributes map[string]*commonpb.Payload

func attributesOf(info *workflow.WorkflowExecutionInfo) attributes {
	return info.GetSearchAttributes().GetIndexedFields()
}

// text is a keyword, or the first of a list of them.
func (a attributes) text(name string) string {
	var one string
	if converter.GetDefaultDataConverter().FromPayload(a[name], &one) == nil {
		return one
	}
	var list []string
	if converter.GetDefaultDataConverter().FromPayload(a[name], &list) == nil && len(list) > 0 {
		return list[0]
	}
	return ""
}

func (a attributes) time(name string) (t time.Time) {
	if converter.GetDefaultDataConverter().FromPayload(a[name], &t) != nil {
		return time.Time{}
	}
	return t
}

// recent is the newest reading. Nil: there is none that is not too old.
func (v *Overview) recent() *seen {
	if s := v.seen.Load(); s != nil && time.Since(s.at) < lookKept {
		return s
	}
	return nil
}

// Register makes the gauges.
func (v *Overview) Register(meter metric.Meter) (metric.Registration, error) {
	g, err := newGauges(meter, []gauge{
		{"parley.conversations.open", "", "Open conversations of the task queue, waiting and parked ones included, by platform."},
		{"parley.conversations.parked", "", "Conversations of the task queue that are parked, by platform and kind of error."},
		{"parley.approvals.waiting", "", "Conversations of the task queue in which a tool call waits for approval, by platform."},
		{"parley.approvals.age", "s", "Time since the oldest request for approval that waits, by platform."},
		{"parley.inbox.state", "", "1 for the state that the inbox of an agent is in: polling, paused or needs_attention."},
	})
	if err != nil {
		return nil, err
	}
	return meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		s := v.recent()
		if s == nil {
			return nil
		}
		add := sums{observer: o, gauges: g}
		for platform, n := range s.open {
			add.to(0, float64(n), v.labels.Of("platform", platform))
		}
		for by, n := range s.parked {
			add.to(1, float64(n), v.labels.Of("platform", by[0]), v.labels.Of("kind", by[1]))
		}
		for platform, n := range s.waiting {
			add.to(2, float64(n), v.labels.Of("platform", platform))
		}
		add.observe()
		oldest := make(map[attribute.Set]time.Time)
		for platform, since := range s.since {
			by := attribute.NewSet(v.labels.Of("platform", platform))
			if before, ok := oldest[by]; !ok || since.Before(before) {
				oldest[by] = since
			}
		}
		for by, since := range oldest {
			o.ObserveFloat64(g[3], max(time.Since(since), 0).Seconds(), metric.WithAttributeSet(by))
		}
		for inbox, state := range s.inboxes {
			o.ObserveFloat64(g[4], 1, metric.WithAttributes(
				v.labels.Of("platform", inbox.platform), v.labels.Of("agent", inbox.agent), v.labels.Of("state", state)))
		}
		return nil
	}, g.all()...)
}

// watch reads and exports until stop is called.
func (v *Overview) watch(ctx context.Context, meter metric.Meter) (stop func(), err error) {
	registered, err := v.Register(meter)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { v.run(ctx) })
	return func() {
		cancel()
		running.Wait()
		_ = registered.Unregister() // it cannot fail: the registration is the provider's own
	}, nil
}

// platformNames are those whose conversations are counted.
func platformNames[T any](of map[string]T) []string {
	return append(slices.Sorted(maps.Keys(of)), conversation.DirectPlatform)
}
