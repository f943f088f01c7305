package idle

import (
	"context"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/workflows"
)

// A Meter counts the steps that run on a worker. It is an interceptor of that worker.
type Meter struct {
	interceptor.WorkerInterceptorBase

	mu            sync.Mutex
	running       int
	steps         int
	conversations map[string]struct{}
	moved         time.Time // when a step last began or ended
}

// NewMeter returns a meter for one worker.
func NewMeter() *Meter {
	return &Meter{conversations: make(map[string]struct{}), moved: time.Now()}
}

// InterceptActivity implements interceptor.WorkerInterceptor.
func (m *Meter) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &metered{ActivityInboundInterceptorBase: interceptor.ActivityInboundInterceptorBase{Next: next}, meter: m}
}

type metered struct {
	interceptor.ActivityInboundInterceptorBase
	meter *Meter
}

func (a *metered) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	info := activity.GetInfo(ctx)
	if !isStep(info.ActivityType.Name) {
		return a.Next.ExecuteActivity(ctx, in)
	}
	a.meter.begin(info)
	defer a.meter.end()
	return a.Next.ExecuteActivity(ctx, in)
}

// isStep reports whether an activity is work. A poll runs as long as there is a worker, and
// a watch as long as the task that it watches.
func isStep(name string) bool { return name != activities.PollName && name != activities.WatchName }

func (m *Meter) begin(info activity.Info) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running++
	m.steps++
	if info.WorkflowType != nil && info.WorkflowType.Name == workflows.ConversationName {
		m.conversations[info.WorkflowExecution.ID] = struct{}{}
	}
	m.moved = time.Now()
}

func (m *Meter) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running--
	m.moved = time.Now()
}

// Quiet is since when no step has run. It is false while one runs.
func (m *Meter) Quiet() (since time.Time, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.moved, m.running == 0
}

// Counts are how many steps have begun, and of how many conversations.
func (m *Meter) Counts() (steps, conversations int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.steps, len(m.conversations)
}
