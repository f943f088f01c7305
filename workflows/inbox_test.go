package workflows_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/workflows"
)

// inboxEnvironment runs an inbox whose polls are done by poll, which gets the
// number of the poll, from 1.
func inboxEnvironment(t *testing.T, poll func(n int, in activities.PollInput) (activities.PollResult, error)) *testsuite.TestWorkflowEnvironment {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet{})
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute)
	workflows.Register(env)
	n := 0
	env.RegisterActivityWithOptions(func(_ context.Context, in activities.PollInput) (activities.PollResult, error) {
		n++
		return poll(n, in)
	}, activity.RegisterOptions{Name: activities.PollName})
	return env
}

func inboxStatus(t *testing.T, env *testsuite.TestWorkflowEnvironment) workflows.InboxStatus {
	t.Helper()
	value, err := env.QueryWorkflow(workflows.QueryStatus)
	require.NoError(t, err)
	var s workflows.InboxStatus
	require.NoError(t, value.Get(&s))
	return s
}

// Polls that are handed over follow one another, with their counts added up and
// the order of service passed on.
func TestInboxPollsAgain(t *testing.T) {
	var env *testsuite.TestWorkflowEnvironment
	env = inboxEnvironment(t, func(n int, in activities.PollInput) (activities.PollResult, error) {
		if n == 3 {
			require.Equal(t, []string{"s1", "s2"}, in.Served)
			env.SetContinueAsNewSuggested(true)
		}
		return activities.PollResult{PollStatus: activities.PollStatus{Started: n}, HandedOver: n < 3, Served: []string{"s1", "s2"}}, nil
	})
	env.ExecuteWorkflow(workflows.InboxName, workflows.InboxInput{Platform: "p", Agent: "a"})
	var again *workflow.ContinueAsNewError
	require.ErrorAs(t, env.GetWorkflowError(), &again)
	require.Equal(t, 6, inboxStatus(t, env).Started)
}

// A poll that is cut off is followed by another, and what it had done is counted.
func TestInboxCountsLostPolls(t *testing.T) {
	var env *testsuite.TestWorkflowEnvironment
	env = inboxEnvironment(t, func(n int, _ activities.PollInput) (activities.PollResult, error) {
		if n == 1 {
			return activities.PollResult{}, temporal.NewHeartbeatTimeoutError(activities.PollStatus{Started: 5, Worker: "w"})
		}
		env.SetContinueAsNewSuggested(true)
		return activities.PollResult{PollStatus: activities.PollStatus{Started: 1, Worker: "w"}}, nil
	})
	env.ExecuteWorkflow(workflows.InboxName, workflows.InboxInput{Platform: "p", Agent: "a"})
	require.Contains(t, []int{1, 6}, inboxStatus(t, env).Started) // Temporal may have another attempt instead
}

// recoveries is an inbox whose polls fail or find nothing, and whose conversations are
// in the test's hands.
type recoveries struct {
	t         *testing.T
	env       *testsuite.TestWorkflowEnvironment
	key       bool // the platform's key is good
	polls     int  // that were not only asking
	probes    int
	mu        sync.Mutex // signals go out at the same time
	recovered []string   // "id" or "id probe"
	gone      map[string]bool
	onHeal    func(id string, h workflows.Retry)
	at        time.Duration
}

func newRecoveries(t *testing.T) *recoveries {
	t.Helper()
	r := &recoveries{t: t, key: true, gone: make(map[string]bool)}
	refused := &activities.PollFailure{Kind: conversation.Unauthorized, Reason: "wrong key", Remedy: "set the right one"}
	r.env = inboxEnvironment(t, func(_ int, in activities.PollInput) (out activities.PollResult, _ error) {
		if in.Probe {
			r.probes++
		} else {
			r.polls++
			out.Started = 1
		}
		out.Worker = "w"
		if !r.key {
			out.Failure = refused
		} else if !in.Probe {
			// It has no end in these tests.
			return out, activity.ErrResultPending
		}
		return out, nil
	})
	r.env.OnSignalExternalWorkflow(mock.Anything, mock.Anything, mock.Anything, workflows.SignalRetry, mock.Anything).Return(
		func(_, id, _, _ string, arg any) error {
			if r.gone[id] {
				return errors.New("it has closed")
			}
			h, said := arg.(workflows.Retry), id
			if h.Probe {
				said += " probe"
			}
			r.mu.Lock()
			r.recovered = append(r.recovered, said)
			r.mu.Unlock()
			if r.onHeal != nil {
				r.onHeal(id, h)
			}
			return nil
		}).Maybe()
	return r
}

// signalled is which conversations have been signalled so far.
func (r *recoveries) signalled() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.recovered)
}

func (r *recoveries) after(d time.Duration, do func()) {
	r.at += d
	r.env.RegisterDelayedCallback(do, r.at)
}

func (r *recoveries) state() workflows.InboxState { return inboxStatus(r.t, r.env).State }

func (r *recoveries) update(name string, arg any) {
	r.env.UpdateWorkflow(name, "", &testsuite.TestUpdateCallback{
		OnAccept: func() {}, OnReject: func(err error) { r.t.Error(err) }, OnComplete: func(any, error) {},
	}, arg)
}

func (r *recoveries) run() {
	r.after(time.Second, func() { r.update(workflows.UpdateStop, workflows.EndRequest{}) })
	r.env.ExecuteWorkflow(workflows.InboxName, workflows.InboxInput{
		Platform: "p", Agent: "a", Settings: workflows.InboxSettings{Policy: conversation.Policy{Executor: "model"}},
	})
	require.NoError(r.t, r.env.GetWorkflowError())
	require.Equal(r.t, workflows.InboxStopped, r.state())
}

func (r *recoveries) outage(id string, source workflows.OutageSource, task bool) {
	r.env.SignalWorkflow(workflows.SignalOutage, workflows.OutageReport{
		Conversation: id, Source: source, Kind: conversation.QuotaExhausted, Reason: "the account is empty", Task: task, Parked: !task,
	})
}

var (
	model       = workflows.OutageSource{Type: workflows.SourceExecutor, Name: "model"}
	other       = workflows.OutageSource{Type: workflows.SourceExecutor, Name: "other"}
	thePlatform = workflows.OutageSource{Type: workflows.SourcePlatform, Name: "p"}
)

// A key that is refused stops the claiming and keeps the counts. The inbox asks again
// about every minute, and goes on when the platform answers.
func TestInboxHealsItself(t *testing.T) {
	r := newRecoveries(t)
	r.key = false
	r.after(time.Second, func() {
		s := inboxStatus(t, r.env)
		require.Equal(t, workflows.InboxNeedsAttention, s.State)
		require.Equal(t, conversation.Unauthorized, s.Attention.Kind)
		require.Equal(t, "poll", s.Attention.Step)
		require.Contains(t, s.Attention.Remedy, "set the right one")
		require.Equal(t, 1, s.Started, "the poll had started one")
	})
	r.after(5*time.Minute, func() {
		require.GreaterOrEqual(t, r.probes, 4)
		require.LessOrEqual(t, r.probes, 6)
		require.Equal(t, 1, r.polls, "it only asks")
		require.Equal(t, workflows.InboxNeedsAttention, r.state())
		r.key = true
	})
	r.after(75*time.Second, func() {
		require.Equal(t, workflows.InboxPolling, r.state())
		require.Nil(t, inboxStatus(t, r.env).Attention)
		require.Equal(t, 2, r.polls)
	})
	r.run()
}

// A pause by a person stays, whatever heals.
func TestInboxStaysPaused(t *testing.T) {
	r := newRecoveries(t)
	r.after(time.Second, func() {
		r.update(workflows.UpdatePause, workflows.PauseRequest{Reason: "a deploy"})
		r.outage("c1", thePlatform, false)
	})
	r.after(time.Hour, func() {
		require.Equal(t, workflows.InboxPaused, r.state())
		require.Contains(t, inboxStatus(t, r.env).Attention.Reason, "a deploy")
		require.Contains(t, r.signalled(), "c1 probe")
	})
	r.run()
}

// What fails is what stops: the executor that new conversations use stops the claiming,
// another one is only shown.
func TestInboxTroubleOfExecutors(t *testing.T) {
	r := newRecoveries(t)
	r.after(time.Second, func() { r.outage("c1", other, false) })
	r.after(time.Second, func() {
		s := inboxStatus(t, r.env)
		require.Equal(t, workflows.InboxPolling, s.State)
		require.Len(t, s.Outages, 1)
		require.Equal(t, other, s.Outages[0].Source)
		r.outage("t1", model, true)
		r.outage("t2", model, true)
	})
	r.after(time.Second, func() {
		s := inboxStatus(t, r.env)
		require.Equal(t, workflows.InboxPolling, s.State, "tasks do not wait for it")
		require.Len(t, s.Outages, 2)
		require.Equal(t, 2, s.Outages[1].Count)
		require.Equal(t, 1, r.polls)
		r.outage("c2", model, false)
	})
	r.after(time.Second, func() {
		s := inboxStatus(t, r.env)
		require.Equal(t, workflows.InboxNeedsAttention, s.State)
		require.Equal(t, model, *s.Attention.Source)
	})
	r.run()
}

// An outage of tasks is forgotten once no task reports it any more.
func TestInboxForgetsTrouble(t *testing.T) {
	r := newRecoveries(t)
	r.after(time.Second, func() { r.outage("t1", model, true) })
	r.after(8*time.Minute, func() { require.Len(t, inboxStatus(t, r.env).Outages, 1) })
	r.after(4*time.Minute, func() { require.Empty(t, inboxStatus(t, r.env).Outages) })
	r.run()
}

// One of the parked conversations retries, and once it has succeeded, all do.
func TestInboxProbesWithOne(t *testing.T) {
	r := newRecoveries(t)
	well := false
	r.onHeal = func(id string, h workflows.Retry) {
		switch {
		case !h.Probe:
		case well:
			r.env.SignalWorkflow(workflows.SignalRecovered, workflows.Recovered{Conversation: id, Source: h.Source, Kind: h.Kind})
		default:
			r.outage(id, h.Source, false)
		}
	}
	r.after(time.Second, func() {
		for _, id := range []string{"c1", "c2", "c3", "c2"} {
			r.outage(id, model, false)
		}
		r.gone["c1"] = true
	})
	r.after(time.Second, func() {
		require.Equal(t, []string{"c1", "c2", "c3"}, inboxStatus(t, r.env).Outages[0].Conversations)
	})
	r.after(150*time.Second, func() {
		require.Equal(t, workflows.InboxNeedsAttention, r.state())
		require.Equal(t, []string{"c2 probe", "c3 probe"}, r.signalled(), "one at a time, not always the same")
		well = true
	})
	r.after(70*time.Second, func() {
		require.Equal(t, workflows.InboxPolling, r.state())
		require.Equal(t, []string{"c2 probe", "c3 probe", "c2 probe", "c3"}, r.signalled())
		require.Equal(t, 2, r.polls, "it claims again")
	})
	r.run()
}

// A person who resumes the inbox has all that is parked for its trouble try again.
func TestInboxResumeTellsTheParked(t *testing.T) {
	r := newRecoveries(t)
	r.after(time.Second, func() {
		for _, id := range []string{"c1", "c2"} {
			r.outage(id, model, false)
		}
	})
	r.after(time.Second, func() { r.update(workflows.UpdateResume, workflows.ResumeRequest{}) })
	r.after(time.Second, func() {
		require.ElementsMatch(t, []string{"c1", "c2"}, r.signalled())
		require.Equal(t, workflows.InboxPolling, r.state())
	})
	r.run()
}
