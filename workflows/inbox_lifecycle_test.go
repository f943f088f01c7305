package workflows_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/workflows"
)

// rejected sends an update that must be rejected for a reason.
func (r *recoveries) rejected(name string, arg any, reason string) {
	r.env.UpdateWorkflow(name, "", &testsuite.TestUpdateCallback{
		OnAccept:   func() { r.t.Error(name + " was accepted") },
		OnReject:   func(err error) { require.ErrorContains(r.t, err, reason) },
		OnComplete: func(any, error) {},
	}, arg)
}

// continued runs the inbox until it continues as new, and returns the next input.
func (r *recoveries) continued(in workflows.InboxInput) (next workflows.InboxInput) {
	r.env.ExecuteWorkflow(workflows.InboxName, in)
	var again *workflow.ContinueAsNewError
	require.ErrorAs(r.t, r.env.GetWorkflowError(), &again)
	require.NoError(r.t, converter.GetDefaultDataConverter().FromPayloads(again.Input, &next))
	return next
}

func TestInboxPausesAndResumes(t *testing.T) {
	r := newRecoveries(t)
	r.after(time.Second, func() {
		r.rejected(workflows.UpdateResume, workflows.ResumeRequest{}, "nothing to resume")
	})
	r.after(time.Second, func() { r.update(workflows.UpdatePause, workflows.PauseRequest{Reason: "a deploy"}) })
	r.after(time.Second, func() {
		require.Equal(t, workflows.InboxPaused, r.state())
		r.rejected(workflows.UpdatePause, workflows.PauseRequest{}, "paused already")
	})
	r.after(time.Hour, func() {
		require.Equal(t, 1, r.polls, "it does not poll")
		r.update(workflows.UpdateResume, workflows.ResumeRequest{})
	})
	r.after(time.Second, func() {
		require.Equal(t, workflows.InboxPolling, r.state())
		require.Equal(t, 2, r.polls)
	})
	r.run()
}

// New settings reach the next poll at once; the same settings change nothing.
func TestInboxIsConfigured(t *testing.T) {
	r := newRecoveries(t)
	settings := workflows.InboxSettings{AgentName: "support", Policy: conversation.Policy{Executor: "model"}, Interval: time.Minute}
	r.after(time.Second, func() { r.env.SignalWorkflow(workflows.SignalConfigure, settings) })
	r.after(time.Second, func() {
		require.Equal(t, 2, r.polls)
		require.Equal(t, settings, inboxStatus(t, r.env).Settings)
		r.env.SignalWorkflow(workflows.SignalConfigure, settings)
	})
	r.after(time.Second, func() { require.Equal(t, 2, r.polls) })
	r.run()
}

// A worker that starts may have what was missing: the inbox probes without delay.
func TestInboxProbesWhenAWorkerStarts(t *testing.T) {
	r := newRecoveries(t)
	r.key = false
	r.after(time.Second, func() {
		require.Equal(t, workflows.InboxNeedsAttention, r.state())
		r.key = true
		r.env.SignalWorkflow(workflows.SignalConfigure, workflows.InboxSettings{Policy: conversation.Policy{Executor: "model"}})
	})
	r.after(time.Second, func() {
		require.Equal(t, 1, r.probes)
		require.Equal(t, workflows.InboxPolling, r.state())
	})
	r.run()
}

// An outage of weeks is probed less and less often: each probe adds to the histories of the
// inbox and of the conversation that retries.
func TestInboxProbesALongOutageSeldom(t *testing.T) {
	for edition, want := range map[int][2]int{0: {9000, 10100}, workflows.Edition: {150, 400}} {
		r := newRecoveries(t)
		r.after(time.Second, func() {
			r.env.SignalWorkflow(workflows.SignalConfigure, workflows.InboxSettings{Policy: conversation.Policy{Executor: "model"}, Edition: edition})
			r.outage("c1", model, false)
		})
		r.onHeal = func(id string, _ workflows.Retry) { r.outage(id, model, false) } // still
		r.after(7*24*time.Hour, func() {
			n := len(r.signalled())
			require.GreaterOrEqual(t, n, want[0], "edition %d", edition)
			require.LessOrEqual(t, n, want[1], "edition %d", edition)
		})
		r.run()
	}
}

// An outage that comes back soon after its end is probed less and less often.
func TestInboxBacksOffAtRelapses(t *testing.T) {
	r := newRecoveries(t)
	r.key = false
	probed := func() int { n := r.probes; r.probes = 0; return n }
	for i := range 3 {
		r.after(5*time.Minute, func() {
			s := inboxStatus(t, r.env)
			require.Equal(t, workflows.InboxNeedsAttention, s.State, "round %d", i)
			require.Equal(t, i, s.Outages[0].Relapses)
			probed()
			r.key = true
			r.env.SignalWorkflow(workflows.SignalConfigure, s.Settings)
		})
		r.after(time.Second, func() {
			require.Equal(t, workflows.InboxPolling, r.state())
			r.key = false
			s := inboxStatus(t, r.env).Settings
			s.Interval = time.Duration(i+1) * time.Second
			r.env.SignalWorkflow(workflows.SignalConfigure, s) // the poll begins anew, and fails
		})
	}
	r.after(20*time.Minute, func() {
		n := probed()
		require.GreaterOrEqual(t, n, 2)
		require.LessOrEqual(t, n, 4, "about every eight minutes")
		require.False(t, inboxStatus(t, r.env).Attention.NextCheck.IsZero())
	})
	r.run()
}

// A conversation that has closed cannot retry for others; the next one does.
func TestInboxSkipsClosedConversations(t *testing.T) {
	r := newRecoveries(t)
	r.gone["c1"] = true
	r.onHeal = func(id string, h workflows.Retry) {
		if h.Probe {
			r.env.SignalWorkflow(workflows.SignalRecovered, workflows.Recovered{Conversation: id, Source: h.Source, Kind: h.Kind})
		}
	}
	r.after(time.Second, func() { r.outage("c1", model, false); r.outage("c2", model, false); r.outage("c3", model, false) })
	r.after(3*time.Minute, func() {
		require.Equal(t, workflows.InboxPolling, r.state())
		require.Equal(t, []string{"c2 probe", "c3"}, r.signalled())
	})
	r.run()
}

// Where no conversation is left that could retry, a blocking outage ends: the next
// poll finds out.
func TestInboxEndsAnOutageThatNothingWaitsFor(t *testing.T) {
	r := newRecoveries(t)
	r.onHeal = func(id string, h workflows.Retry) {
		r.env.SignalWorkflow(workflows.SignalRecovered, workflows.Recovered{Conversation: id, Source: h.Source, Kind: h.Kind, Gone: true})
	}
	r.after(time.Second, func() { r.outage("c1", model, false) })
	r.after(3*time.Minute, func() {
		require.Equal(t, workflows.InboxPolling, r.state())
		require.Equal(t, []string{"c1 probe"}, r.signalled())
	})
	r.run()
}

// An answer that arrives after the probe's time ends the outage as well.
func TestInboxTakesALateAnswer(t *testing.T) {
	r := newRecoveries(t)
	r.after(time.Second, func() { r.outage("c1", model, false); r.outage("c2", model, false) })
	r.after(2*time.Minute+30*time.Second, func() {
		require.Equal(t, workflows.InboxNeedsAttention, r.state())
		r.env.SignalWorkflow(workflows.SignalRecovered, workflows.Recovered{Conversation: "c1", Source: model, Kind: conversation.QuotaExhausted})
		r.env.SignalWorkflow(workflows.SignalRecovered, workflows.Recovered{Conversation: "c1", Source: other, Kind: conversation.QuotaExhausted})
	})
	r.after(5*time.Second, func() {
		require.Equal(t, workflows.InboxPolling, r.state())
		require.Contains(t, r.signalled(), "c2")
	})
	r.run()
}

// What is remembered of outages is bounded.
func TestInboxBoundsOutages(t *testing.T) {
	r := newRecoveries(t)
	r.after(time.Second, func() {
		for i := range 30 {
			r.outage(fmt.Sprint("c", i), workflows.OutageSource{Type: workflows.SourceExecutor, Name: fmt.Sprint("e", i)}, false)
		}
		for i := range 600 {
			r.outage(fmt.Sprint("d", i), other, false)
		}
	})
	r.after(time.Second, func() {
		s := inboxStatus(t, r.env)
		require.Len(t, s.Outages, 20)
		require.Equal(t, "e11", s.Outages[0].Source.Name, "the oldest are forgotten")
		last := s.Outages[19]
		require.Equal(t, 600, last.Count)
		require.Len(t, last.Conversations, 500)
	})
	r.run()
}

// With "auto", only an executor that the agent's conversations may not choose
// otherwise blocks the inbox.
func TestInboxOutageOfAuto(t *testing.T) {
	for name, c := range map[string]struct {
		executors []string
		want      workflows.InboxState
	}{
		"any may be chosen": {nil, workflows.InboxNeedsAttention},
		"it is an option":   {[]string{"model"}, workflows.InboxPolling},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRecoveries(t)
			r.after(time.Second, func() {
				r.env.SignalWorkflow(workflows.SignalConfigure, workflows.InboxSettings{Policy: conversation.Policy{Executor: "auto", Executors: c.executors}})
			})
			r.after(time.Second, func() { r.outage("c1", model, false) })
			r.after(time.Second, func() { require.Equal(t, c.want, r.state()) })
			r.run()
		})
	}
}

// Continuing as new carries counts, outages and the pause, and handles the signals
// that have arrived.
func TestInboxContinuesAsNew(t *testing.T) {
	r := newRecoveries(t)
	settings := workflows.InboxSettings{AgentName: "support", Policy: conversation.Policy{Executor: "model"}}
	r.after(time.Second, func() { r.update(workflows.UpdatePause, workflows.PauseRequest{Reason: "a deploy"}) })
	r.after(time.Second, func() {
		r.env.SignalWorkflow(workflows.SignalConfigure, settings)
		r.outage("c1", model, false)
	})
	r.after(time.Second, func() {
		r.env.SetContinueAsNewSuggested(true)
		r.env.SignalWorkflow(workflows.SignalRecovered, workflows.Recovered{Conversation: "c9", Source: model, Kind: conversation.QuotaExhausted})
	})
	next := r.continued(workflows.InboxInput{
		Platform: "p", Agent: "a", Carried: &workflows.CarriedInbox{
			Started: 5, Adopted: 1, Served: []string{"s1"},
			Outages: []workflows.Outage{{Source: other, Kind: conversation.Unauthorized, Last: r.env.Now(), Next: r.env.Now().Add(time.Hour)}},
		},
	})
	c := next.Carried
	require.Equal(t, settings, next.Settings)
	require.GreaterOrEqual(t, c.Started, 5)
	require.Equal(t, 1, c.Adopted)
	require.Equal(t, []string{"s1"}, c.Served)
	require.Equal(t, workflows.InboxPaused, c.State)
	require.Contains(t, c.Attention.Reason, "a deploy")
	require.Len(t, c.Outages, 2)
	require.Equal(t, other, c.Outages[0].Source)
	require.Equal(t, []string{"c1"}, c.Outages[1].Conversations)

	// The next run goes on where this one ended: paused, with both outages.
	after := newRecoveries(t)
	after.after(time.Second, func() {
		s := inboxStatus(t, after.env)
		require.Equal(t, workflows.InboxPaused, s.State)
		require.Zero(t, after.polls)
		require.Len(t, s.Outages, 2)
		after.update(workflows.UpdateResume, workflows.ResumeRequest{})
	})
	after.after(time.Second, func() {
		after.env.SetContinueAsNewSuggested(true)
		after.env.SignalWorkflow(workflows.SignalConfigure, workflows.InboxSettings{}) // ends the poll
	})
	last := after.continued(next)
	require.Empty(t, last.Carried.Outages)
	require.Nil(t, last.Carried.Attention)
}

// A poll whose own error is final is an outage of the platform; any other lost poll is
// followed by the next.
func TestInboxPollErrors(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want workflows.InboxState
	}{
		"final":            {temporal.NewNonRetryableApplicationError("no such platform", "Invalid", nil, activities.ErrorDetails{Kind: conversation.Invalid, Remedy: "configure it"}), workflows.InboxNeedsAttention},
		"its worker died":  {temporal.NewHeartbeatTimeoutError(activities.PollStatus{Started: 2, Worker: "w"}), workflows.InboxPolling},
		"without a status": {temporal.NewHeartbeatTimeoutError(), workflows.InboxPolling},
	} {
		t.Run(name, func(t *testing.T) {
			env := inboxEnvironment(t, func(n int, in activities.PollInput) (out activities.PollResult, _ error) {
				if n == 1 || in.Probe {
					return out, c.err
				}
				return out, activity.ErrResultPending
			})
			env.RegisterDelayedCallback(func() {
				s := inboxStatus(t, env)
				require.Equal(t, c.want, s.State)
				if c.want == workflows.InboxNeedsAttention {
					require.Equal(t, "poll", s.Attention.Step)
					require.Contains(t, s.Attention.Reason, "no such platform")
				}
				env.CancelWorkflow()
			}, 30*time.Second)
			env.ExecuteWorkflow(workflows.InboxName, workflows.InboxInput{Platform: "p", Agent: "a"})
			require.Error(t, env.GetWorkflowError())
			var cancelled *temporal.CanceledError
			require.True(t, errors.As(env.GetWorkflowError(), &cancelled))
		})
	}
}
