// Package ticket tells an activity task that was lost on its way to a worker from one that a
// worker has begun.
//
// An eager task comes with the answer to the completion of the workflow task that schedules
// the activity. If that answer is lost, Temporal has started an attempt that no worker knows
// of, and nothing at Temporal tells it from an attempt whose worker was lost. So each command
// that schedules such an activity carries a ticket of its own, in a header, and the process
// that has issued it remembers the tickets of completions without an answer.
package ticket

import (
	"context"
	"crypto/rand"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/workflow"
)

// header is the name of the header. Its payload is the ticket, as it is.
const header = "parley-ticket"

type key struct{}

// Of is the ticket of the activity whose context it is. Empty: it has none.
func Of(ctx context.Context) string {
	text, _ := ctx.Value(key{}).(string)
	return text
}

// With returns the context of an activity with a ticket.
func With(ctx context.Context, ticket string) context.Context {
	return context.WithValue(ctx, key{}, ticket)
}

// Issuer returns an interceptor for workers: it gives a ticket to each command that schedules
// one of these activities, and shows it to the activity.
func Issuer(activities ...string) interceptor.WorkerInterceptor {
	return &issuer{process: rand.Text(), activities: activities}
}

type issuer struct {
	interceptor.WorkerInterceptorBase
	process    string // no other process issues tickets that begin so
	issued     atomic.Uint64
	activities []string
}

func (i *issuer) next() string {
	return i.process + "-" + strconv.FormatUint(i.issued.Add(1), 36)
}

func (i *issuer) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &activityInbound{ActivityInboundInterceptorBase: interceptor.ActivityInboundInterceptorBase{Next: next}}
}

func (i *issuer) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	return &workflowInbound{WorkflowInboundInterceptorBase: interceptor.WorkflowInboundInterceptorBase{Next: next}, issuer: i}
}

type activityInbound struct {
	interceptor.ActivityInboundInterceptorBase
}

func (a *activityInbound) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	if payload := interceptor.Header(ctx)[header]; payload != nil {
		ctx = With(ctx, string(payload.GetData()))
	}
	return a.Next.ExecuteActivity(ctx, in)
}

type workflowInbound struct {
	interceptor.WorkflowInboundInterceptorBase
	issuer *issuer
}

func (w *workflowInbound) Init(outbound interceptor.WorkflowOutboundInterceptor) error {
	return w.Next.Init(&workflowOutbound{WorkflowOutboundInterceptorBase: interceptor.WorkflowOutboundInterceptorBase{Next: outbound}, issuer: w.issuer})
}

type workflowOutbound struct {
	interceptor.WorkflowOutboundInterceptorBase
	issuer *issuer
}

// ExecuteActivity gives the command its ticket. A replay issues one in vain: headers are no
// part of what it compares, and the activity has the ticket of the history.
func (w *workflowOutbound) ExecuteActivity(ctx workflow.Context, activity string, args ...any) workflow.Future {
	if headers := interceptor.WorkflowHeader(ctx); headers != nil && slices.Contains(w.issuer.activities, activity) {
		headers[header] = &commonpb.Payload{Data: []byte(w.issuer.next())}
	}
	return w.Next.ExecuteActivity(ctx, activity, args...)
}

// Kept is how long the tickets of lost answers are remembered, and keptAtMost how many are. One
// that is forgotten proves nothing.
const (
	Kept       = time.Hour
	keptAtMost = 10_000
)

// Lost remembers the tickets of eager tasks whose answers have not arrived. The zero value is
// ready.
type Lost struct {
	mu      sync.Mutex
	tickets map[string]time.Time
}

// Answered says how a completion of a workflow task has ended. With an error its answer is
// lost, whether or not Temporal has taken note of the completion.
func (l *Lost) Answered(completion *workflowservice.RespondWorkflowTaskCompletedRequest, err error) {
	for _, command := range completion.GetCommands() {
		schedule := command.GetScheduleActivityTaskCommandAttributes()
		payload := schedule.GetHeader().GetFields()[header]
		if payload == nil || !schedule.GetRequestEagerExecution() {
			continue
		}
		if err != nil {
			l.add(string(payload.GetData()))
		} else {
			l.remove(string(payload.GetData()))
		}
	}
}

func (l *Lost) add(ticket string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tickets == nil {
		l.tickets = make(map[string]time.Time)
	}
	if len(l.tickets) >= keptAtMost {
		l.forget()
	}
	if len(l.tickets) < keptAtMost {
		l.tickets[ticket] = time.Now()
	}
}

// forget drops old tickets.
func (l *Lost) forget() {
	for ticket, since := range l.tickets {
		if time.Since(since) > Kept {
			delete(l.tickets, ticket)
		}
	}
}

func (l *Lost) remove(ticket string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.tickets, ticket)
}

// Has reports that the eager task with this ticket came with an answer that has not arrived:
// no worker has begun it.
func (l *Lost) Has(ticket string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, has := l.tickets[ticket]
	return has
}
