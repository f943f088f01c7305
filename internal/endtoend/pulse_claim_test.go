package endtoend_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/platforms/pulse/pulsetest"
	"github.com/parley-run/parley/workflows"
)

// The claim has landed, nobody could see it, and a person has it tried again.
func TestPulseClaimIsResumed(t *testing.T) {
	t.Parallel()
	r := newPulseRig(t, pulsetest.Config{}, &summariser{})
	r.stand.Fail(pulsetest.Fault{Op: pulsetest.OpGet, Skip: 1, Times: 1, Status: http.StatusInternalServerError})
	r.start(t)
	r.pollWith(t, workflows.InboxInput{Platform: r.name, Settings: workflows.InboxSettings{
		Executor: "agent", Interval: 100 * time.Millisecond, Policy: conversation.Policy{PlatformAttempts: 1},
	}})
	task := r.task("main", nil)
	id := r.stand.Add(task)
	at := &rig.Rig{Client: r.client}
	workflow := fmt.Sprintf("%s//%s@%d", r.name, id, task.At.Unix())
	require.Eventually(t, func() bool {
		return len(r.stand.Claims(id)) == 1 && at.Status(t, workflow).State == workflows.StateNeedsAttention
	}, 20*time.Second, 50*time.Millisecond)
	require.NoError(t, at.Update(t, workflow, workflows.UpdateResume, workflows.ResumeRequest{}))
	out, err := r.outcome(t, id)
	require.NoError(t, err)
	require.Equal(t, conversation.OutcomeEnded, out.Kind, out.Detail)
	require.Len(t, r.stand.Claims(id), 1)
	require.Equal(t, "success", r.stand.Acks(id)[0].Status)
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
			require.Eventually(t, func() bool { return r.stand.Requests(pulsetest.OpClaim) == 1 }, 20*time.Second, 10*time.Millisecond)
			stop(t, r, fmt.Sprintf("%s//%s@%d", r.name, id, task.At.Unix()))
			require.Eventually(t, func() bool { return len(r.stand.Acks(id)) == 1 }, 20*time.Second, 50*time.Millisecond)
			require.Equal(t, "failed", r.stand.Acks(id)[0].Status)
			require.Zero(t, agent.runs.Load())
		})
	}
}
