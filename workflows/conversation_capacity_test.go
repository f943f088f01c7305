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
	"go.temporal.io/sdk/testsuite"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/workflows"
)

// outgoing keeps the signals that a conversation sends, and lets a test answer them.
type outgoing struct {
	calls    []string // "signal workflow"
	capacity []workflows.CapacityCall
	troubles []workflows.OutageReport
	answers  []workflows.Recovered
	on       func(signal string, arg any)
	// mu guards all but on. The environment sends signals on goroutines of their own, and a
	// workflow may be over before them.
	mu sync.Mutex
}

// awaitAnswers waits for n signals to the inbox that say how a retry went.
func (o *outgoing) awaitAnswers(t *testing.T, n int) []workflows.Recovered {
	t.Helper()
	var out []workflows.Recovered
	require.Eventually(t, func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		out = slices.Clone(o.answers)
		return len(out) >= n
	}, 10*time.Second, time.Millisecond)
	require.Len(t, out, n)
	return out
}

func listenTo(env *testsuite.TestWorkflowEnvironment) *outgoing {
	o := &outgoing{}
	env.OnSignalExternalWorkflow(mock.Anything, mock.Anything, mock.Anything, mock.Anything, mock.Anything).Return(
		func(_, id, _, signal string, arg any) error {
			o.mu.Lock()
			o.calls = append(o.calls, signal+" "+id)
			switch arg := arg.(type) {
			case workflows.CapacityCall:
				o.capacity = append(o.capacity, arg)
			case workflows.OutageReport:
				o.troubles = append(o.troubles, arg)
			case workflows.Recovered:
				o.answers = append(o.answers, arg)
			}
			o.mu.Unlock()
			if o.on != nil {
				o.on(signal, arg)
			}
			return nil
		}).Maybe()
	return o
}

func countedInput(holds bool, since time.Time) workflows.ConversationInput {
	in := input("mem")
	in.CountedIn = &workflows.CountedIn{Limit: 3, Holds: holds, Reservation: activities.Reservation{Seq: 7, Since: since}}
	return in
}

// A recent reservation is used, and released at the end.
func TestReservationIsReleased(t *testing.T) {
	env := environment(t, &platform{maxMessages: 3}, "mem", &executortest.Fake{})
	out := listenTo(env)
	env.ExecuteWorkflow(workflows.ConversationName, countedInput(true, env.Now().Add(-20*time.Second)))
	outcome(t, env)
	require.Equal(t, []string{"release capacity/mem"}, out.calls)
	require.EqualValues(t, 7, out.capacity[0].Reservation.Seq)
	require.False(t, out.capacity[0].Parked)
}

// An old reservation may be another conversation's by now: the conversation requests one
// before it claims, and releases the one that it gets.
func TestOldReservationIsNotTrusted(t *testing.T) {
	p := &platform{maxMessages: 3}
	env := environment(t, p, "mem", &executortest.Fake{})
	out := listenTo(env)
	env.RegisterDelayedCallback(func() {
		require.Empty(t, p.transcript.State, "it has claimed without a reservation")
		value, err := env.QueryWorkflow(workflows.QueryStatus)
		require.NoError(t, err)
		var s workflows.Status
		require.NoError(t, value.Get(&s))
		require.Equal(t, workflows.StateWaiting, s.State)
		env.SignalWorkflow(workflows.SignalReserved, activities.Reservation{Seq: 8})
	}, 17*time.Minute)
	env.ExecuteWorkflow(workflows.ConversationName, countedInput(true, env.Now().Add(-activities.ReservationValid-time.Second)))
	require.Equal(t, conversation.OutcomeEnded, outcome(t, env).Kind)
	require.Equal(t, []string{"wait capacity/mem", "wait capacity/mem", "wait capacity/mem", "release capacity/mem"}, out.calls, "it repeats the request after 5 and 10 minutes")
	require.Equal(t, 3, out.capacity[0].Limit)
	require.EqualValues(t, 8, out.capacity[3].Reservation.Seq)
}

// A conversation whose reservation was revoked waits for another before its next turn, and
// one that it has no use for goes back.
func TestRevokedConversationWaits(t *testing.T) {
	env := environment(t, &platform{maxMessages: 5}, "mem", &executortest.Fake{})
	out := listenTo(env)
	out.on = func(signal string, _ any) {
		if signal == workflows.SignalWait {
			env.SignalWorkflow(workflows.SignalReserved, activities.Reservation{Seq: 9})
			env.SignalWorkflow(workflows.SignalReserved, activities.Reservation{Seq: 10})
		}
	}
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(workflows.SignalRevoked, activities.Reservation{Seq: 7}) }, 0)
	env.ExecuteWorkflow(workflows.ConversationName, countedInput(true, env.Now()))
	outcome(t, env)
	require.Equal(t, []string{"wait capacity/mem", "release capacity/mem", "release capacity/mem"}, out.calls)
	require.EqualValues(t, 10, out.capacity[1].Reservation.Seq)
	require.EqualValues(t, 9, out.capacity[2].Reservation.Seq)
}

// A parked conversation says what has failed, and tries again when its inbox says that
// it is over; the one that tries for others says how it went.
func TestParkedConversationHeals(t *testing.T) {
	asked := 0
	fake := &executortest.Fake{Reply: func(context.Context, executors.Request) (executors.Result, error) {
		if asked++; asked == 1 {
			return executors.Result{}, &conversation.Error{Kind: conversation.Unauthorized, Err: errors.New("wrong key")}
		}
		return executors.Result{Message: conversation.Text(conversation.RoleAssistant, "well")}, nil
	}}
	env := environment(t, &platform{maxMessages: 3}, "mem", fake)
	out := listenTo(env)
	healed := func(kind conversation.Kind, source workflows.OutageSource) func() {
		return func() {
			env.SignalWorkflow(workflows.SignalRetry, workflows.Retry{Kind: kind, Source: source, Probe: true})
		}
	}
	source := workflows.OutageSource{Type: workflows.SourceExecutor, Name: "auto"}
	env.RegisterDelayedCallback(healed(conversation.QuotaExhausted, source), time.Minute)
	env.RegisterDelayedCallback(healed(conversation.Unauthorized, workflows.OutageSource{Type: workflows.SourcePlatform, Name: "mem"}), 2*time.Minute)
	env.RegisterDelayedCallback(func() {
		require.Len(t, fake.Requests(), 1)
		require.Len(t, out.answers, 2)
		require.True(t, out.answers[0].Gone && out.answers[1].Gone, "it is parked for something else")
	}, 3*time.Minute)
	env.RegisterDelayedCallback(healed(conversation.Unauthorized, source), 4*time.Minute)
	env.ExecuteWorkflow(workflows.ConversationName, input("mem"))
	require.Equal(t, conversation.OutcomeEnded, outcome(t, env).Kind)
	require.Len(t, out.troubles, 1)
	require.Equal(t, source, out.troubles[0].Source)
	require.True(t, out.troubles[0].Parked)
	answers := out.awaitAnswers(t, 3)
	require.False(t, answers[2].Gone)
	require.Equal(t, source, answers[2].Source)
}
