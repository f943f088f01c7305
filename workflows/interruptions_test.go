package workflows_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/workflows"
)

// Each side of a conversation is interrupted at each moment in each way. A conversation
// that nothing interrupts has two turns, a task one. In its first turn the agent calls a
// tool, and then another that an operator approves; with its last message it ends the
// conversation.

// moment is where a conversation is interrupted: the first time that it gets there.
type moment string

const (
	atClaim    moment = "claim"
	atContext  moment = "context"
	atMessage  moment = "message" // of the other side
	atReply    moment = "reply"
	atTool     moment = "tool"
	atApproval moment = "approval"
	atLost     moment = "lost"     // an operator is asked whether a lost call is made again
	atExchange moment = "exchange" // of the first turn
	atEnd      moment = "end"
	atCallback moment = "callback"
	atReport   moment = "report"
)

// momentOf is the moment at which an activity is under way.
func momentOf(name string, in any) moment {
	switch name {
	case activities.ClaimName:
		return atClaim
	case activities.ContextName:
		return atContext
	case activities.ReplyName:
		return atReply
	case activities.CallToolName:
		return atTool
	case activities.ExchangeName:
		if in.(activities.ExchangeInput).Turn == 0 {
			return atMessage
		}
		return atExchange
	case activities.EndName:
		return atEnd
	case activities.DeliverName:
		return atCallback
	case activities.ReportName:
		return atReport
	}
	return ""
}

// A script is a side of a conversation, and the activities of one that nothing interrupts
// in their order: each is the moment at which it is under way. Approvals are no activity.
type script struct {
	name string
	side workflows.Side
	flow []moment

	adopt, private bool
	// loses means that the answer to the approved call is lost, and an operator has it made
	// again.
	loses bool
	// together means that the claim brings the context.
	together bool
}

var scripts = []script{
	{name: "platform", side: workflows.SidePlatform, flow: []moment{
		atClaim, atContext, atMessage, atReply, atTool, atReply, atApproval, atTool, atReply, atExchange, atReply, atExchange, atEnd,
	}},
	{name: "platform, context with the claim", side: workflows.SidePlatform, together: true, flow: []moment{
		atClaim, atMessage, atReply, atTool, atReply, atApproval, atTool, atReply, atExchange, atReply, atExchange, atEnd,
	}},
	{name: "task, context with the claim", side: workflows.SideTask, together: true, flow: []moment{
		atClaim, atReply, atTool, atReply, atApproval, atTool, atReply, atCallback, atReport,
	}},
	{name: "platform, adopted", side: workflows.SidePlatform, adopt: true, flow: []moment{
		atContext, atMessage, atReply, atTool, atReply, atApproval, atTool, atReply, atExchange, atReply, atExchange, atEnd,
	}},
	{name: "transport", side: workflows.SideTransport, flow: []moment{
		atMessage, atReply, atTool, atReply, atApproval, atTool, atReply, atExchange, atReply, atExchange,
	}},
	{name: "direct", side: workflows.SideDirect, flow: []moment{
		atMessage, atReply, atTool, atReply, atApproval, atTool, atReply, atReply,
	}},
	{name: "platform, lost call", side: workflows.SidePlatform, loses: true, flow: []moment{
		atClaim, atContext, atMessage, atReply, atTool, atReply, atApproval, atTool, atLost, atTool, atReply, atExchange, atReply, atExchange, atEnd,
	}},
	{name: "direct, lost call", side: workflows.SideDirect, loses: true, flow: []moment{
		atMessage, atReply, atTool, atReply, atApproval, atTool, atLost, atTool, atReply, atReply,
	}},
	{name: "task, lost call", side: workflows.SideTask, loses: true, flow: []moment{
		atClaim, atContext, atReply, atTool, atReply, atApproval, atTool, atLost, atTool, atReply, atCallback, atReport,
	}},
	{name: "task", side: workflows.SideTask, flow: []moment{
		atClaim, atContext, atReply, atTool, atReply, atApproval, atTool, atReply, atCallback, atReport,
	}},
	{name: "private task", side: workflows.SideTask, private: true, flow: []moment{
		atReply, atTool, atReply, atApproval, atTool, atReply, atCallback,
	}},
}

func (s script) task() bool { return s.side == workflows.SideTask }

// onPlatform reports that a platform has the conversation.
func (s script) onPlatform() bool { return s.side == workflows.SidePlatform }

func (s script) exchanges() bool { return s.onPlatform() || s.side == workflows.SideTransport }

// turns is how many turns there are if nothing interrupts.
func (s script) turns() int {
	if s.task() {
		return 1
	}
	return 2
}

// moments are those of the flow, once each.
func (s script) moments() []moment {
	var out []moment
	for _, m := range s.flow {
		if !slices.Contains(out, m) {
			out = append(out, m)
		}
	}
	return out
}

// activity reports that an activity is under way at a moment.
func (s script) activity(m moment) bool {
	return m != atApproval && m != atLost && (m != atMessage || s.exchanges())
}

// late reports that the conversation is being ended at a moment.
func (s script) late(m moment) bool { return m == atEnd || m == atCallback || m == atReport }

// upTo is the flow up to and with the first time of a moment.
func (s script) upTo(m moment) []moment { return slices.Clone(s.flow[:slices.Index(s.flow, m)+1]) }

// ending are the activities that end what is held at a moment.
func (s script) ending(m moment) []moment {
	switch {
	case m == atClaim:
		return nil
	case s.private:
		return []moment{atCallback}
	case s.task() && m == atContext:
		return []moment{atContext, atCallback, atReport} // which callback waits is to be found out
	case s.task():
		return []moment{atCallback, atReport}
	case s.onPlatform():
		return []moment{atEnd}
	}
	return nil
}

// send is the activity that delivers a reply.
func (s script) send() []moment {
	if s.exchanges() {
		return []moment{atExchange}
	}
	return nil
}

// expected is what must be true of a conversation that was interrupted.
type expected struct {
	kind  conversation.OutcomeKind
	by    conversation.EndedBy
	turns int
	// calls are the activities that were called, in any order. Those for an ambiguous claim
	// are in claims.
	calls  []moment
	claims int
	// state, if not empty, is one that the conversation was seen in.
	state workflows.State
	// refused means that what the operator wanted was refused.
	refused bool
	// detail is a part of the outcome's detail.
	detail string
	// task is the status of the task's result.
	task conversation.TaskStatus
}

// undisturbed is what is true of a conversation that ends as if nothing had interrupted it.
func undisturbed(s script, more ...moment) expected {
	want := expected{
		kind: conversation.OutcomeEnded, by: conversation.EndedByAgent, turns: s.turns(),
		calls: append(slices.Clone(s.flow), more...),
	}
	if s.task() {
		want.task = conversation.TaskSuccess
	}
	return want
}

// cutShort is what is true of a conversation that ends at a moment.
func cutShort(s script, m moment, kind conversation.OutcomeKind, by conversation.EndedBy) expected {
	want := expected{kind: kind, by: by, calls: append(s.upTo(m), s.ending(m)...)}
	if s.task() && m != atClaim {
		want.task = conversation.TaskFailed
	}
	return want
}

// An interruption is one way to interrupt a conversation.
type interruption struct {
	name string
	// exists reports whether there is a test for a moment. Nil: for all.
	exists func(script, moment) bool
	// prepare changes the input.
	prepare func(*scene, *workflows.ConversationInput)
	// One of them happens at the moment: a call of do, while the activity, if one is under
	// way, goes on, or is cut off where cuts says so; a failure of the activity; a result
	// that is handed over.
	do       func(*scene)
	cuts     func(script, moment) bool
	fails    func(*scene) error
	handOver bool
	// watched means that the platform is asked meanwhile whether it has cancelled the task.
	watched bool

	want func(script, moment) expected
}

// scene is one conversation, over all its runs, with the platform that it is on.
type scene struct {
	*stage
	script script
	at     moment
	how    interruption

	happened bool
	lost     map[string]bool // the calls whose answers were lost
	states   map[workflows.State]bool
	refused  bool
	accepted int // updates
	answered int
	replies  map[string]workflows.SendReply
	flow     []moment // what was called
	claims   int
	events   []conversation.Event
	runs     int

	// The platform's own state.
	run      string
	claimed  bool
	messages []conversation.Message
	closed   bool
	reports  int
	expires  time.Time

	// unattended: no operator resumes what waits, but at resumeAt, if that is set.
	unattended bool
	resumeAt   time.Duration
	newReply   bool // the operator wants another reply

	cancelled chan struct{} // closed once the platform has cancelled the task

	signals   *outgoing
	unhandled bool
}

// input is that of the conversation's first run.
func (s *scene) input() workflows.ConversationInput {
	in := workflows.ConversationInput{
		Ref: conversation.Ref{Platform: "mem", Project: "p", Agent: "a", Simulation: "s", ID: "c"}, Side: s.script.side, Adopt: s.script.adopt,
		Policy: conversation.Policy{Executor: "agent", Tools: []string{"tools"}}, Notify: "listener",
	}
	switch {
	case s.script.private:
		in.Start = &workflows.Start{Context: s.about()}
	case s.script.side == workflows.SideTransport || s.script.side == workflows.SideDirect:
		in.Start = &workflows.Start{}
	}
	if s.how.prepare != nil {
		s.how.prepare(s, &in)
	}
	if in.Start != nil {
		in.Start.Context.Expires = s.expires
	}
	return in
}

func (s *scene) about() conversation.Context {
	about := conversation.Context{Expires: s.expires}
	if s.script.task() {
		about.Task = &conversation.Task{
			Payload: json.RawMessage(`{"message":"sum it up"}`), Callback: &conversation.Callback{URL: "http://callback.example"},
		}
	}
	return about
}

// play runs the conversation, in as many runs as it takes.
func (s *scene) play(t *testing.T) {
	t.Helper()
	s.states, s.replies = map[workflows.State]bool{}, map[string]workflows.SendReply{}
	s.cancelled, s.lost = make(chan struct{}), map[string]bool{}
	s.stage = newStage(t)
	in := s.input()
	for s.runs = 1; ; s.runs++ {
		require.Less(t, s.runs, 4)
		s.enact()
		s.stage.run(in)
		require.True(t, s.env.IsWorkflowCompleted())
		var next *workflow.ContinueAsNewError
		err := s.env.GetWorkflowError()
		if !errors.As(err, &next) {
			return
		}
		require.False(t, s.unhandled, "it continues as new with unfinished updates")
		in = workflows.ConversationInput{}
		require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(next.Input, &in))
		s.stage = newStage(t)
	}
}

// enact gives a run its activities, its clients and its operators.
func (s *scene) enact() {
	s.signals = listenTo(s.env)
	s.signals.on = s.capacity
	s.env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{&handlersFinished{scene: s}}})
	s.stage.before = s.pass
	s.stage.claim = func(_ int, in activities.ClaimInput) (activities.ClaimResult, error) {
		s.claimed = true
		out := activities.ClaimResult{Claimed: true, Receipt: s.receipt()}
		if s.script.together && in.Context != nil {
			about := s.read()
			out.Context = &about
		}
		return out, nil
	}
	s.stage.held = func(int, activities.FindClaimInput) (activities.FindClaimResult, error) {
		return activities.FindClaimResult{Ours: s.claimed, Receipt: s.receipt()}, nil
	}
	s.stage.context = func(int, activities.ContextInput) (activities.ContextResult, error) { return s.read(), nil }
	s.stage.reply = s.agent
	s.stage.exchange = s.persona
	s.stage.tool = s.callTool
	s.stage.end = func(int, activities.EndInput) (activities.EndResult, error) {
		s.closed = true
		return activities.EndResult{EndedBy: conversation.EndedByAgent, Count: len(s.messages), Turns: s.spoken()}, nil
	}
	s.stage.report = func(int, activities.ReportInput) (activities.ReportResult, error) {
		s.reports++
		return activities.ReportResult{}, nil
	}
	s.stage.watch = func(ctx context.Context) (activities.WatchResult, error) {
		if !s.how.watched {
			return activities.WatchResult{}, nil
		}
		select {
		case <-s.cancelled:
			return activities.WatchResult{Cancelled: true}, nil
		case <-ctx.Done():
			return activities.WatchResult{}, ctx.Err()
		}
	}
	s.stage.notify = func(_ int, in activities.NotifyInput) (activities.NotifyResult, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.events = append(s.events, in.Event)
		return activities.NotifyResult{}, nil
	}
	if s.script.side == workflows.SideDirect {
		s.clients()
	}
	if s.resumeAt > 0 && s.runs == 1 {
		s.after(s.resumeAt, func() { s.operate(workflows.UpdateResume, workflows.ResumeRequest{}) })
	}
	for hour := range 30 {
		s.after(time.Duration(hour)*time.Hour+30*time.Minute, s.observe)
	}
}

// clients send a message after a minute and another after six hours.
func (s *scene) clients() {
	for id, at := range map[string]time.Duration{"m1": time.Minute, "m2": 6 * time.Hour} {
		s.after(at, func() {
			s.send(id, "hello "+id, func(reply workflows.SendReply, err error) {
				if err != nil {
					return
				}
				if before, ok := s.replies[id]; ok {
					require.Equal(s.t, before, reply, "a message that is sent twice has one reply")
				}
				s.replies[id] = reply
			})
		})
	}
	if s.at == atMessage && s.runs == 1 {
		s.after(30*time.Second, func() {
			s.happened = true
			s.how.do(s)
		})
	}
}

func (s *scene) receipt() *platforms.Receipt {
	if !s.script.task() || !s.claimed {
		return nil
	}
	return &platforms.Receipt{ExecutionID: "e"}
}

func (s *scene) spoken() (turns int) {
	for _, m := range s.messages {
		if m.Role == conversation.RoleAssistant {
			turns++
		}
	}
	return turns
}

// read is what the platform knows.
func (s *scene) read() activities.ContextResult {
	run := s.run
	if run == "" {
		run = runID
	}
	out := activities.ContextResult{
		RunID: run, State: platforms.StateOpen, Context: s.about(), Messages: slices.Clone(s.messages), Count: len(s.messages), Turns: s.spoken(),
	}
	switch {
	case s.closed:
		out.State, out.EndedBy = platforms.StateEnded, conversation.EndedByAgent
	case !s.claimed && !s.script.adopt:
		out.State = platforms.StateWaiting
	}
	return out
}

// agent is the executor. What is to be verified is what the other side has.
func (s *scene) agent(_ context.Context, _ int, in activities.ReplyInput) (activities.ReplyResult, error) {
	if in.Unverified > 0 {
		s.mu.Lock()
		has, holds := in.Before-in.Internal, len(s.messages)
		s.mu.Unlock()
		for _, m := range in.New {
			if !m.Internal() {
				has++
			}
		}
		require.Equal(s.t, holds, has, "messages of the other side")
		require.LessOrEqual(s.t, in.Unverified, has)
	}
	call := func(id string, ask bool) activities.ReplyResult {
		out := callsTool()
		out.Message.Parts[0].ToolCall.ID = id
		out.Calls[0].CallID, out.Calls[0].Ask = id, ask
		return out
	}
	var out activities.ReplyResult
	switch {
	case in.Turn == 1 && in.Round == 0:
		out = call("1", false)
	case in.Turn == 1 && in.Round == 1:
		out = call("2", true)
		s.after(time.Second, func() { s.approve(atApproval) })
	default:
		out = says(fmt.Sprint("answer ", in.Turn))
		out.End = in.Turn == 2
	}
	out.Executor = "agent"
	out.Usage = conversation.Usage{OutputTokens: 10, Calls: 1}
	return out, nil
}

// callTool loses the first answer to a call that was approved.
func (s *scene) callTool(_ context.Context, _ int, in activities.CallToolInput) (activities.CallToolResult, error) {
	key := fmt.Sprint(in.Run, in.Reconciled)
	if !s.script.loses || !in.Call.Ask || s.lost[key] {
		return activities.CallToolResult{Content: "found"}, nil
	}
	s.lost[key] = true
	s.after(time.Second, func() { s.approve(atLost) })
	return activities.CallToolResult{}, fails(conversation.Ambiguous, "its answer was lost", activities.ErrorDetails{
		Ambiguous: true, Mark: &activities.Mark{Time: time.Now(), Sends: 1},
	})
}

// approve is what happens while a call waits for an operator, who approves it in the end.
func (s *scene) approve(at moment) {
	if s.at == at && !s.happened {
		s.happened = true
		s.how.do(s)
	}
	s.after(time.Minute, func() {
		if !s.env.IsWorkflowCompleted() && len(s.status().Approvals) > 0 {
			s.operate(workflows.UpdateApprove, seen(s.status(), workflows.ApproveRequest{}))
		}
	})
}

// persona is the other side.
func (s *scene) persona(_ context.Context, _ int, in activities.ExchangeInput) (activities.ExchangeResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if in.Before != len(s.messages) {
		return activities.ExchangeResult{}, fails(conversation.Diverged, fmt.Sprintf("it holds %d messages, not %d", len(s.messages), in.Before), activities.ErrorDetails{})
	}
	answer := conversation.Text(conversation.RoleUser, "go on")
	s.messages = append(append(s.messages, in.Messages...), answer)
	return activities.ExchangeResult{
		Messages: []conversation.Message{answer}, Count: len(s.messages), Taken: len(in.Messages), Unverified: in.VerifyLater,
	}, nil
}

// capacity answers what the conversation asks of the platform's capacity.
func (s *scene) capacity(signal string, _ any) {
	if signal == workflows.SignalWait {
		s.after(45*time.Minute, func() { s.env.SignalWorkflow(workflows.SignalReserved, activities.Reservation{Seq: 8}) })
	}
}

// pass is called as each activity begins.
func (s *scene) pass(ctx context.Context, name string, in any) (handOver bool, err error) {
	at := momentOf(name, in)
	s.mu.Lock()
	switch {
	case at != "":
		s.flow = append(s.flow, at)
	case name == activities.FindClaimName:
		s.claims++
	}
	// A watch begins beside the run: in this environment perhaps only after it is cancelled.
	if n := len(s.events); n > 0 && s.events[n-1].Type == conversation.EventEnded && name != activities.WatchName {
		s.t.Errorf("%s begins after the ending", name)
	}
	here := at == s.at && !s.happened
	s.happened = s.happened || here
	s.mu.Unlock()
	switch {
	case !here:
		return false, nil
	case s.how.handOver:
		return true, nil
	case s.how.fails != nil:
		return false, s.how.fails(s)
	}
	done := make(chan struct{})
	s.after(0, func() { s.how.do(s) })
	s.after(2*time.Millisecond, func() { close(done) })
	if s.how.cuts != nil && s.how.cuts(s.script, at) {
		return false, hang(ctx)
	}
	<-done
	return false, nil
}

// operate sends an update of an operator.
func (s *scene) operate(name string, arg any) {
	s.env.UpdateWorkflow(name, "", &testsuite.TestUpdateCallback{
		OnAccept: func() {
			s.accepted++
			if req, ok := arg.(workflows.TakeoverRequest); ok && s.script.task() {
				s.takeover = &req
			}
		}, OnReject: func(error) { s.refused = true },
		OnComplete: func(_ any, err error) {
			s.answered++
			if err != nil {
				s.t.Errorf("%s: %v", name, err)
			}
		},
	}, arg)
}

// observe looks at the conversation every hour. While it is held back no activity begins.
// Half an hour later an operator resumes it, unless it must expire.
func (s *scene) observe() {
	if s.env.IsWorkflowCompleted() {
		return
	}
	status := s.status()
	s.states[status.State] = true
	if status.State != workflows.StatePaused && status.State != workflows.StateNeedsAttention && status.State != workflows.StateWaiting {
		return
	}
	calls := s.callsMade()
	s.after(20*time.Minute, func() {
		if now := s.status().State; now == status.State && calls != s.callsMade() {
			s.t.Errorf("activities begin while the conversation is in state %s", now)
		}
	})
	if s.expires.IsZero() && status.State != workflows.StateWaiting && !s.unattended {
		s.after(25*time.Minute, func() { s.operate(workflows.UpdateResume, workflows.ResumeRequest{NewReply: s.newReply}) })
	}
}

func (s *scene) callsMade() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.flow)
}

// handlersFinished reports to its scene whether updates are left unfinished when the
// workflow returns.
type handlersFinished struct {
	interceptor.WorkerInterceptorBase
	scene *scene
}

func (h *handlersFinished) InterceptWorkflow(ctx workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	w := &workflowFinished{scene: h.scene}
	w.Next = next
	return w
}

type workflowFinished struct {
	interceptor.WorkflowInboundInterceptorBase
	scene *scene
}

func (w *workflowFinished) ExecuteWorkflow(ctx workflow.Context, in *interceptor.ExecuteWorkflowInput) (any, error) {
	out, err := w.Next.ExecuteWorkflow(ctx, in)
	if !workflow.AllHandlersFinished(ctx) {
		w.scene.unhandled = true
	}
	return out, err
}

// check compares the conversation with what is expected, and with what is true of all.
func (s *scene) check(t *testing.T, want expected) {
	t.Helper()
	require.True(t, s.happened, "nothing has interrupted it")
	out := s.status().Outcome
	require.NotNil(t, out)
	require.Equal(t, want.kind, out.Kind, out.Detail)
	require.Equal(t, want.by, out.EndedBy)
	require.Equal(t, want.turns, out.Turns, "turns")
	require.Contains(t, out.Detail, want.detail)
	require.Equal(t, want.refused, s.refused, "whether the operator was refused")
	require.Equal(t, s.script.counted(want.calls), s.script.counted(s.flow), "activities")
	require.Equal(t, want.claims, s.claims, "whether the platform was asked whose the claim is")
	if want.state != "" {
		require.True(t, s.states[want.state], "it was seen in %v, not in %s", s.states, want.state)
	}
	s.checkTask(t, out, want)
	switch err := s.env.GetWorkflowError(); want.kind {
	case conversation.OutcomeCancelled:
		require.True(t, temporal.IsCanceledError(err), "%v", err)
	case conversation.OutcomeFailed:
		var app *temporal.ApplicationError
		require.ErrorAs(t, err, &app)
		require.Equal(t, workflows.ErrTypeFailed, app.Type())
	default:
		require.NoError(t, err)
	}
	s.checkSent(t)
	s.checkEvents(t)
	require.Equal(t, s.accepted, s.answered, "an accepted update has its answer")
	require.False(t, s.unhandled, "an update is unfinished when the workflow ends")
}

func (s *scene) checkTask(t *testing.T, out *conversation.Outcome, want expected) {
	t.Helper()
	if want.task == "" {
		require.True(t, out.Task == nil || out.Task.Status == "", "%+v", out.Task)
		return
	}
	require.NotNil(t, out.Task)
	require.Equal(t, want.task, out.Task.Status)
	require.LessOrEqual(t, s.reports, 1, "the task was reported twice")
}

// checkSent: no message of the agent arrives twice, on the platform or with a client.
func (s *scene) checkSent(t *testing.T) {
	t.Helper()
	seen := map[string]bool{}
	for _, m := range s.messages {
		if m.Role == conversation.RoleAssistant {
			require.False(t, seen[m.Text()], "%q was sent twice", m.Text())
			seen[m.Text()] = true
		}
	}
	for id, reply := range s.replies {
		require.Equal(t, id, reply.ID)
	}
}

// checkEvents: they are numbered without gaps, over all runs, and the last is the end.
func (s *scene) checkEvents(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	require.NotEmpty(t, s.events)
	for i, e := range s.events {
		require.Equal(t, i+1, e.Number)
		require.Equal(t, i == len(s.events)-1, e.Type == conversation.EventEnded, "%s is event %d", e.Type, e.Number)
	}
}

// counted are activities by name, for comparisons that a reader of a failed test
// understands.
func (s script) counted(calls []moment) string {
	n := map[moment]int{}
	for _, m := range calls {
		switch {
		case !s.activity(m):
		case m == atMessage:
			n[atExchange]++
		default:
			n[m]++
		}
	}
	var out []string
	for m, n := range n {
		out = append(out, fmt.Sprintf("%s %d", m, n))
	}
	sort.Strings(out)
	return strings.Join(out, ", ")
}
