package workflows_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/workflows"
)

// stage is a conversation whose activities are scripted: what a workflow does about
// what its activities say is tested without them. Each field, if set, answers the calls
// of one activity; n counts them from 1, attempts included. By default the persona
// answers every message, and ends the conversation after the agent's second.
type stage struct {
	t   *testing.T
	env *testsuite.TestWorkflowEnvironment

	mu    sync.Mutex
	calls map[string]int
	// recorded is the transcript that a reader of the history would build.
	recorded conversation.Transcript
	// takeover is an operator's answer to a task.
	takeover *workflows.TakeoverRequest
	// before, if set, is called as each activity begins. It may have it handed over, or
	// fail, in the place of its script.
	before func(ctx context.Context, name string, in any) (handOver bool, err error)

	claim    func(n int, in activities.ClaimInput) (activities.ClaimResult, error)
	context  func(n int, in activities.ContextInput) (activities.ContextResult, error)
	reply    func(ctx context.Context, n int, in activities.ReplyInput) (activities.ReplyResult, error)
	exchange func(ctx context.Context, n int, in activities.ExchangeInput) (activities.ExchangeResult, error)
	tool     func(ctx context.Context, n int, in activities.CallToolInput) (activities.CallToolResult, error)
	end      func(n int, in activities.EndInput) (activities.EndResult, error)
	held     func(n int, in activities.FindClaimInput) (activities.FindClaimResult, error)
	report   func(n int, in activities.ReportInput) (activities.ReportResult, error)
	deliver  func(n int, in activities.DeliverInput) (activities.DeliverResult, error)
	notify   func(n int, in activities.NotifyInput) (activities.NotifyResult, error)
	// watch stands in for one that waits until it is cancelled. This environment's clock
	// does not run ahead meanwhile.
	watch func(ctx context.Context) (activities.WatchResult, error)
}

// runID is the run of workflows in the SDK's test environment.
const runID = "default-test-run-id"

func newStage(t *testing.T) *stage {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet{})
	s := &stage{t: t, env: suite.NewTestWorkflowEnvironment(), calls: map[string]int{}}
	s.env.SetTestTimeout(time.Minute)
	workflows.Register(s.env)
	register(s, activities.ClaimName, func(_ context.Context, n int, in activities.ClaimInput) (activities.ClaimResult, error) {
		if s.claim != nil {
			return s.claim(n, in)
		}
		return activities.ClaimResult{Claimed: true}, nil
	})
	register(s, activities.ContextName, func(_ context.Context, n int, in activities.ContextInput) (activities.ContextResult, error) {
		if s.context != nil {
			return s.context(n, in)
		}
		return activities.ContextResult{State: platforms.StateOpen, RunID: runID}, nil
	})
	register(s, activities.ReplyName, func(ctx context.Context, n int, in activities.ReplyInput) (activities.ReplyResult, error) {
		if s.reply != nil {
			return s.reply(ctx, n, in)
		}
		return says("answer"), nil
	})
	register(s, activities.ExchangeName, func(ctx context.Context, n int, in activities.ExchangeInput) (activities.ExchangeResult, error) {
		if s.exchange != nil {
			return s.exchange(ctx, n, in)
		}
		return answered(in), nil
	})
	register(s, activities.CallToolName, func(ctx context.Context, n int, in activities.CallToolInput) (activities.CallToolResult, error) {
		if s.tool != nil {
			return s.tool(ctx, n, in)
		}
		return activities.CallToolResult{Content: "found"}, nil
	})
	register(s, activities.EndName, func(_ context.Context, n int, in activities.EndInput) (activities.EndResult, error) {
		if s.end != nil {
			return s.end(n, in)
		}
		return activities.EndResult{EndedBy: conversation.EndedByAgent}, nil
	})
	register(s, activities.FindClaimName, func(_ context.Context, n int, in activities.FindClaimInput) (activities.FindClaimResult, error) {
		if s.held != nil {
			return s.held(n, in)
		}
		return activities.FindClaimResult{}, nil
	})
	register(s, activities.ReportName, func(_ context.Context, n int, in activities.ReportInput) (activities.ReportResult, error) {
		if s.report != nil {
			return s.report(n, in)
		}
		return activities.ReportResult{}, nil
	})
	register(s, activities.DeliverName, func(_ context.Context, n int, in activities.DeliverInput) (activities.DeliverResult, error) {
		if s.deliver != nil {
			return s.deliver(n, in)
		}
		return activities.DeliverResult{Delivery: conversation.Delivery{State: conversation.DeliveryDelivered}}, nil
	})
	register(s, activities.NotifyName, func(_ context.Context, n int, in activities.NotifyInput) (activities.NotifyResult, error) {
		if s.notify != nil {
			return s.notify(n, in)
		}
		return activities.NotifyResult{}, nil
	})
	register(s, activities.WatchName, func(ctx context.Context, _ int, _ activities.WatchInput) (activities.WatchResult, error) {
		if s.watch != nil {
			return s.watch(ctx)
		}
		<-ctx.Done()
		return activities.WatchResult{}, ctx.Err()
	})
	return s
}

func register[In, Out any](s *stage, name string, f func(context.Context, int, In) (Out, error)) {
	s.env.RegisterActivityWithOptions(func(ctx context.Context, in In) (Out, error) {
		s.mu.Lock()
		s.calls[name]++
		n := s.calls[name]
		if in, ok := any(in).(activities.ReplyInput); ok {
			s.recorded.Apply(in.Record())
		}
		s.mu.Unlock()
		var out Out
		over, err := false, error(nil)
		if s.before != nil {
			over, err = s.before(ctx, name, in)
		}
		switch {
		case err != nil:
		case over:
			handOver(&out)
		default:
			out, err = f(ctx, n, in)
		}
		s.place(in, &out)
		if err == nil && ctx.Err() == nil {
			s.record(in, out)
		}
		return out, err
	}, activity.RegisterOptions{Name: name})
}

// handOver makes a result one that is handed over.
func handOver(out any) {
	switch out := out.(type) {
	case *activities.ClaimResult:
		out.HandedOver = true
	case *activities.ContextResult:
		out.HandedOver = true
	case *activities.ReplyResult:
		out.HandedOver = true
	case *activities.CallToolResult:
		out.HandedOver = true
	case *activities.ExchangeResult:
		out.HandedOver = true
	case *activities.EndResult:
		out.HandedOver = true
	case *activities.FindClaimResult:
		out.HandedOver = true
	case *activities.ReportResult:
		out.HandedOver = true
	case *activities.DeliverResult:
		out.HandedOver = true
	case *activities.NotifyResult:
		out.HandedOver = true
	}
}

// place does what activities do to every result.
func (s *stage) place(in, out any) {
	switch out := out.(type) {
	case *activities.ClaimResult:
		if out.Context != nil {
			out.Context.Place()
		}
	case *activities.ContextResult:
		out.Place()
	case *activities.ReplyResult:
		out.Place(in.(activities.ReplyInput))
	case *activities.CallToolResult:
		out.Place(in.(activities.CallToolInput))
	case *activities.ExchangeResult:
		out.Place(in.(activities.ExchangeInput))
	}
}

// record applies a result as a reader of the history does.
func (s *stage) record(in, out any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch out := out.(type) {
	case activities.ClaimResult:
		if !out.HandedOver && out.Context != nil {
			s.recorded.Apply(out.Context.Record())
		}
	case activities.ContextResult:
		if !out.HandedOver {
			s.recorded.Apply(out.Record())
		}
	case activities.ReplyResult:
		if !out.HandedOver {
			s.recorded.Apply(out.Record(in.(activities.ReplyInput)))
		}
	case activities.CallToolResult:
		if !out.HandedOver {
			s.recorded.Apply(out.Record(in.(activities.CallToolInput)))
		}
	case activities.ExchangeResult:
		if !out.HandedOver {
			s.recorded.Apply(out.Record(in.(activities.ExchangeInput)))
		}
	case activities.EndResult:
		if !out.HandedOver {
			s.recorded.AtLeast(out.Count, out.Turns)
		}
	}
}

// sent applies a message of a direct conversation and its reply as a reader of the history
// does.
func (s *stage) sent(req workflows.SendRequest, reply workflows.SendReply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, record := range reply.Records(s.recorded, req) {
		s.recorded.Apply(record)
	}
}

// send sends a message of a client. then gets the reply, or why there is none.
func (s *stage) send(id, text string, then func(workflows.SendReply, error)) {
	req := workflows.SendRequest{ID: id, Text: text}
	s.env.UpdateWorkflow(workflows.UpdateSend, "", &testsuite.TestUpdateCallback{
		OnAccept: func() {}, OnReject: func(err error) { then(workflows.SendReply{}, err) },
		OnComplete: func(value any, err error) {
			reply, _ := value.(workflows.SendReply)
			if err == nil {
				s.sent(req, reply)
			}
			then(reply, err)
		},
	}, req)
}

func (s *stage) called(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[name]
}

func (s *stage) run(in workflows.ConversationInput) {
	s.recorded = in.Transcript()
	s.env.ExecuteWorkflow(workflows.ConversationName, in.WithDefaults())
	s.sameTranscript()
}

// sameTranscript compares the workflow's transcript with the one that its history has,
// unless the workflow was cancelled: this environment does not say which results came too
// late to be recorded.
func (s *stage) sameTranscript() {
	s.t.Helper()
	if temporal.IsCanceledError(s.env.GetWorkflowError()) {
		return
	}
	value, err := s.env.QueryWorkflow(workflows.QueryTranscript, workflows.TranscriptQuery{})
	if err != nil {
		require.ErrorContains(s.t, err, "unknown queryType", "an input that is not valid")
		return
	}
	var page workflows.Transcript
	require.NoError(s.t, value.Get(&page))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.takeover != nil {
		s.recorded.Apply(s.takeover.Record(s.recorded))
	}
	require.Equal(s.t, page.Total, s.recorded.Next)
	first, messages := s.recorded.Tail()
	require.LessOrEqual(s.t, first, page.First)
	require.Equal(s.t, textsOf(page.Messages), textsOf(messages[page.First-first:]))
}

func textsOf(messages []conversation.Message) []string {
	out := []string{}
	for _, m := range messages {
		text := string(m.Role) + ": " + m.PlainText()
		for _, p := range m.Parts {
			switch {
			case p.ToolCall != nil:
				text += "call " + p.ToolCall.ID
			case p.ToolResult != nil:
				text += "result " + p.ToolResult.CallID + " " + p.ToolResult.Content
				if p.ToolResult.Content == conversation.UnrecordedResult || strings.Contains(p.ToolResult.Content, "was interrupted") {
					text = "tool: interrupted" // the history does not show how
				}
			}
		}
		out = append(out, text)
	}
	return out
}

func (s *stage) outcome() conversation.Outcome {
	s.t.Helper()
	return outcome(s.t, s.env)
}

func (s *stage) status() workflows.Status {
	s.t.Helper()
	value, err := s.env.QueryWorkflow(workflows.QueryStatus)
	require.NoError(s.t, err)
	var status workflows.Status
	require.NoError(s.t, value.Get(&status))
	return status
}

// after does something once so much of the workflow's time has passed.
func (s *stage) after(d time.Duration, do func()) { s.env.RegisterDelayedCallback(do, d) }

// update sends an update, which must be accepted.
func (s *stage) update(name string, arg any) {
	s.env.UpdateWorkflow(name, name+"-"+s.env.Now().String(), &testsuite.TestUpdateCallback{
		OnAccept: func() {}, OnReject: func(err error) { s.t.Errorf("%s: %v", name, err) }, OnComplete: func(any, error) {},
	}, arg)
}

// approve sends a decision on what waits, as one who has seen it.
func (s *stage) approve(req workflows.ApproveRequest) {
	s.t.Helper()
	s.update(workflows.UpdateApprove, seen(s.status(), req))
}

// seen fills in the digest of the call that waits.
func seen(status workflows.Status, req workflows.ApproveRequest) workflows.ApproveRequest {
	for _, a := range status.Approvals {
		if req.CallID == "" || req.CallID == a.CallID {
			req.Digest = a.Digest
		}
	}
	return req
}

func says(text string) activities.ReplyResult {
	return activities.ReplyResult{Message: conversation.Text(conversation.RoleAssistant, text), Executor: "agent"}
}

// answered is the persona's answer; the conversation has ended with the one to the
// agent's second message.
func answered(in activities.ExchangeInput) activities.ExchangeResult {
	out := activities.ExchangeResult{
		Messages: []conversation.Message{conversation.Text(conversation.RoleUser, "go on")},
		Count:    in.Before + len(in.Messages) + 1, Taken: len(in.Messages),
	}
	if in.Turn >= 2 {
		out.Ended, out.EndedBy = true, conversation.EndedByPersona
	}
	return out
}

// fails is an activity's error, as package activities makes it.
func fails(kind conversation.Kind, text string, details activities.ErrorDetails) error {
	details.Kind = kind
	return temporal.NewApplicationErrorWithOptions(text, string(kind), temporal.ApplicationErrorOptions{
		NonRetryable: !slices.Contains([]conversation.Kind{conversation.Unavailable, conversation.RateLimited}, kind), Details: []any{details},
	})
}

// waits is a failure after which the step may be tried again at a time.
func waits(until time.Time) error {
	return temporal.NewApplicationErrorWithOptions("too many requests", string(conversation.RateLimited), temporal.ApplicationErrorOptions{
		NonRetryable: true, Details: []any{activities.ErrorDetails{Kind: conversation.RateLimited, RetryAfter: 5 * time.Hour, Until: until}},
	})
}

func wasReset(run string) error {
	return fails(conversation.Reset, "the run was reset", activities.ErrorDetails{RunID: run})
}

func down() error { return fails(conversation.Unavailable, "down", activities.ErrorDetails{}) }

func activityID(ctx context.Context) string { return activity.GetInfo(ctx).ActivityID }
