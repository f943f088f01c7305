package endtoend_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/pulsetest"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/pulse"
	"github.com/parley-run/parley/workflows"
)

// The claim took effect, the answer was lost, and an operator resumes it.
func TestPulseClaimIsResumed(t *testing.T) {
	t.Parallel()
	r := newPulseRig(t, pulsetest.Config{}, &summariser{})
	r.stand.Fail(pulsetest.Fault{Op: pulsetest.OpGet, Skip: 1, Times: 1, Status: http.StatusInternalServerError})
	r.start(t)
	r.pollWith(t, workflows.InboxInput{Platform: r.name, Settings: workflows.InboxSettings{
		Interval: 100 * time.Millisecond, Policy: conversation.Policy{Executor: "agent", PlatformAttempts: 1, OnExhausted: conversation.Park},
	}})
	task := r.task("main", nil)
	id := r.stand.Add(task)
	at := &rig.Rig{Client: r.client}
	workflow := fmt.Sprintf("%s//%s@%d", r.name, id, task.At.Unix())
	rig.Eventually(t, func() bool {
		return len(r.stand.Claims(id)) == 1 && at.Status(t, workflow).State == workflows.StateNeedsAttention
	})
	require.NoError(t, at.Update(t, workflow, workflows.UpdateResume, workflows.ResumeRequest{}))
	out, err := r.outcome(t, id)
	require.NoError(t, err)
	require.Equal(t, conversation.OutcomeEnded, out.Kind, out.Detail)
	require.Len(t, r.stand.Claims(id), 1)
	require.Equal(t, "success", r.stand.Acks(id)[0].Status)
}

// A claim that has landed, and that nobody could see, is let go of by a run that
// does not go on: the task is acknowledged, and its callback told.
func TestPulseUnclearClaimIsLetGoOf(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		policy conversation.Policy
		stop   func(*testing.T, *pulseRig, string)
	}{
		"Ended": {stop: func(t *testing.T, r *pulseRig, workflow string) {
			at := &rig.Rig{Client: r.client}
			require.NoError(t, at.Update(t, workflow, workflows.UpdateEnd, workflows.EndRequest{Reason: "not now"}))
		}},
		"Cancelled": {stop: func(t *testing.T, r *pulseRig, workflow string) {
			require.NoError(t, r.client.CancelWorkflow(t.Context(), workflow, ""))
		}},
		"Exhausted": {policy: conversation.Policy{PlatformAttempts: 1, OnExhausted: conversation.EndConversation}},
		"EndedWhileParked": {
			policy: conversation.Policy{PlatformAttempts: 1, OnExhausted: conversation.Park},
			stop: func(t *testing.T, r *pulseRig, workflow string) {
				at := &rig.Rig{Client: r.client}
				rig.Eventually(t, func() bool {
					return at.Status(t, workflow).State == workflows.StateNeedsAttention
				})
				require.NoError(t, at.Update(t, workflow, workflows.UpdateEnd, workflows.EndRequest{Reason: "not now"}))
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			agent := &summariser{}
			r := newPulseRig(t, pulsetest.Config{}, agent)
			r.stand.Fail(pulsetest.Fault{Op: pulsetest.OpGet, Skip: 1, Status: http.StatusInternalServerError})
			r.start(t)
			c.policy.Executor = "agent"
			r.pollWith(t, workflows.InboxInput{Platform: r.name, Settings: workflows.InboxSettings{
				Interval: 100 * time.Millisecond, Policy: c.policy,
			}})
			task := r.task("main", map[string]any{"callback_url": r.received.url})
			id := r.stand.Add(task)
			workflow := fmt.Sprintf("%s//%s@%d", r.name, id, task.At.Unix())
			rig.Eventually(t, func() bool {
				return len(r.stand.Claims(id)) == 1 && r.stand.Requests(pulsetest.OpGet) >= 2
			})
			if c.policy.PlatformAttempts == 0 {
				requireWaitsForTry(t, r, workflow, activities.ClaimName)
			}
			if c.stop != nil {
				c.stop(t, r, workflow)
			}
			r.stand.ClearFaults()
			rig.Eventually(t, func() bool { return len(r.stand.Acks(id)) == 1 })
			require.Equal(t, "failed", r.stand.Acks(id)[0].Status)
			_, bodies := r.received.seen()
			require.Len(t, bodies, 1)
			require.Equal(t, id, bodies[0]["task_id"])
			require.Equal(t, r.stand.Acks(id)[0].ExecutionID, bodies[0]["execution_id"])
			require.Equal(t, "failed", bodies[0]["status"])
			require.Len(t, r.stand.Claims(id), 1)
			require.Zero(t, agent.runs.Load())
		})
	}
}

// requireWaitsForTry waits until an activity has failed and is to be tried again.
func requireWaitsForTry(t *testing.T, r *pulseRig, workflow, name string) {
	t.Helper()
	rig.Eventually(t, func() bool {
		d, err := r.client.DescribeWorkflowExecution(t.Context(), workflow, "")
		require.NoError(t, err)
		for _, a := range d.GetPendingActivities() {
			if a.GetActivityType().GetName() == name && a.GetAttempt() > 1 && a.GetState() == enums.PENDING_ACTIVITY_STATE_SCHEDULED {
				return true
			}
		}
		return false
	})
}

// A run whose claim cannot have landed has nothing to look for.
func TestPulseClaimThatWasRefusedIsNotLookedFor(t *testing.T) {
	t.Parallel()
	r := newPulseRig(t, pulsetest.Config{}, &summariser{})
	r.stand.Fail(pulsetest.Fault{Op: pulsetest.OpGet, Status: http.StatusUnauthorized})
	r.start(t)
	r.pollWith(t, workflows.InboxInput{Platform: r.name, Settings: workflows.InboxSettings{
		Interval: 100 * time.Millisecond, Policy: conversation.Policy{Executor: "agent", OnExhausted: conversation.EndConversation},
	}})
	id := r.stand.Add(r.task("main", nil))
	_, err := r.outcome(t, id)
	require.ErrorContains(t, err, "claim failed")
	require.Equal(t, 1, r.stand.Requests(pulsetest.OpGet))
}

// Who ends or cancels the run while it is being claimed leaves no task that is
// claimed for ever.
func TestPulseTaskIsEndedWhileItIsClaimed(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]func(*testing.T, *pulseRig, string){
		"Ended": func(t *testing.T, r *pulseRig, workflow string) {
			at := &rig.Rig{Client: r.client}
			require.NoError(t, at.Update(t, workflow, workflows.UpdateEnd, workflows.EndRequest{Reason: "not now"}))
		},
		"Cancelled": func(t *testing.T, r *pulseRig, workflow string) {
			require.NoError(t, r.client.CancelWorkflow(t.Context(), workflow, ""))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			agent := &summariser{}
			r := newPulseRig(t, pulsetest.Config{}, agent)
			r.stand.Fail(pulsetest.Fault{Op: pulsetest.OpClaim, Latency: 2 * time.Second})
			r.start(t)
			r.poll(t)
			task := r.task("main", nil)
			id := r.stand.Add(task)
			rig.Eventually(t, func() bool { return r.stand.Requests(pulsetest.OpClaim) == 1 })
			stop(t, r, fmt.Sprintf("%s//%s@%d", r.name, id, task.At.Unix()))
			rig.Eventually(t, func() bool { return len(r.stand.Acks(id)) == 1 })
			require.Equal(t, "failed", r.stand.Acks(id)[0].Status)
			require.Zero(t, agent.runs.Load())
		})
	}
}

// The same where the claim has landed and its answer hangs: what is ours is looked for
// and acknowledged.
func TestPulseTaskIsEndedWhileTheAnswerHangs(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]func(*testing.T, *pulseRig, string){
		"Ended": func(t *testing.T, r *pulseRig, workflow string) {
			at := &rig.Rig{Client: r.client}
			require.NoError(t, at.Update(t, workflow, workflows.UpdateEnd, workflows.EndRequest{Reason: "not now"}))
		},
		"Cancelled": func(t *testing.T, r *pulseRig, workflow string) {
			require.NoError(t, r.client.CancelWorkflow(t.Context(), workflow, ""))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			agent := &summariser{}
			r := newPulseRig(t, pulsetest.Config{}, agent)
			r.stand.Fail(pulsetest.Fault{Op: pulsetest.OpClaim, Late: time.Minute})
			r.impatient(t, 3*time.Second)
			r.start(t)
			r.poll(t)
			task := r.task("main", map[string]any{"callback_url": r.received.url})
			id := r.stand.Add(task)
			rig.Eventually(t, func() bool { return len(r.stand.Claims(id)) == 1 })
			stop(t, r, fmt.Sprintf("%s//%s@%d", r.name, id, task.At.Unix()))
			rig.Eventually(t, func() bool { return len(r.stand.Acks(id)) == 1 })
			require.Equal(t, "failed", r.stand.Acks(id)[0].Status)
			require.Len(t, r.stand.Claims(id), 1)
			require.Zero(t, agent.runs.Load())
		})
	}
}

// impatient has workers wait for an answer of Pulse's no longer than this.
func (r *pulseRig) impatient(t *testing.T, timeout time.Duration) {
	t.Helper()
	platform, err := pulse.New(pulse.Config{Name: r.name, URL: r.url, Timeout: timeout})
	require.NoError(t, err)
	r.config.Platforms[r.name] = platforms.Instance{Name: r.name, Platform: platform}
}
