package endtoend_test

import (
	"cmp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/workflows"
)

// Cancelling a conversation ends it on the platform, whatever it is doing.
func TestCancelAtEveryStep(t *testing.T) {
	t.Parallel()
	// pending waits until the activity of the first step is under way.
	pending := func(t *testing.T, r *rig.Rig, _ *rig.Gate, id string) {
		rig.Eventually(t, func() bool {
			desc, err := r.Client.DescribeWorkflowExecution(t.Context(), id, "")
			require.NoError(t, err)
			activities := desc.GetPendingActivities()
			return len(activities) == 1 && activities[0].GetLastStartedTime() != nil
		})
	}
	slower := func(op string, by time.Duration) sim.Faults {
		return sim.Faults{SlowRate: 1, SlowBy: by, Only: []string{op}}
	}
	slowly := func(op string) sim.Faults { return slower(op, 3*time.Second) }
	step := func(t *testing.T, r *rig.Rig, id, want string) {
		rig.Eventually(t, func() bool { return r.Status(t, id).Step == want })
	}
	inContext := func(t *testing.T, r *rig.Rig, gate *rig.Gate, id string) {
		step(t, r, id, "context")
		pending(t, r, gate, id)
	}
	claimed := func(t *testing.T, r *rig.Rig, gate *rig.Gate, id string) {
		step(t, r, id, "claim")
		pending(t, r, gate, id)
		rig.Eventually(t, func() bool { return len(r.Waiting(t)) == 0 })
	}
	for name, tc := range map[string]struct {
		slow    string
		by      time.Duration // zero: three seconds
		policy  conversation.Policy
		until   func(*testing.T, *rig.Rig, *rig.Gate, string)
		claimed bool
	}{
		"claim":                  {slow: sim.OpStart, until: pending},
		"context with the claim": {slow: sim.OpItems, until: claimed, claimed: true},
		// The claim does not wait for it.
		"context": {slow: sim.OpItems, by: 8 * time.Second, until: inContext, claimed: true},
		"reply":   {until: func(t *testing.T, _ *rig.Rig, gate *rig.Gate, _ string) { gate.Asked(t) }, claimed: true},
		"exchange": {until: func(t *testing.T, r *rig.Rig, gate *rig.Gate, id string) {
			req := gate.Asked(t)
			// Only the agent's first message is slow, not the opening.
			require.NoError(t, r.Sim.SetFaults(slowly(sim.OpResponses)))
			req.Reply(t)
			step(t, r, id, "turn 1 · exchange")
		}, claimed: true},
		"paused": {until: func(t *testing.T, r *rig.Rig, gate *rig.Gate, id string) {
			req := gate.Asked(t)
			require.NoError(t, r.Update(t, id, workflows.UpdatePause, workflows.PauseRequest{}))
			req.Reply(t)
			requireState(t, r, id, workflows.StatePaused)
		}, claimed: true},
		"parked": {until: func(t *testing.T, r *rig.Rig, gate *rig.Gate, id string) {
			gate.Asked(t).Fail(t, fault(conversation.Invalid, ""))
			requireState(t, r, id, workflows.StateNeedsAttention)
		}, claimed: true},
		"after continuing as new": {policy: conversation.Policy{RunTurns: 1}, until: func(t *testing.T, _ *rig.Rig, gate *rig.Gate, _ string) {
			gate.Asked(t).Reply(t)
			gate.Asked(t).Reply(t)
			gate.Asked(t)
		}, claimed: true},
	} {
		t.Run(name, func(t *testing.T) {
			r, gate, ref := gated(t, 20)
			if tc.slow != "" {
				require.NoError(t, r.Sim.SetFaults(slower(tc.slow, cmp.Or(tc.by, 3*time.Second))))
			}
			tc.policy.Executor = rig.ExecutorName
			id := r.StartWith(t, workflows.ConversationInput{Ref: ref, Policy: tc.policy})
			tc.until(t, r, gate, id)
			require.NoError(t, r.Client.CancelWorkflow(t.Context(), id, ""))
			_, err := r.Outcome(t, id)
			var cancelled *temporal.CanceledError
			require.ErrorAs(t, err, &cancelled)
			require.NoError(t, r.Sim.SetFaults(sim.Faults{}))
			require.Equal(t, conversation.OutcomeCancelled, r.Status(t, id).Outcome.Kind)
			if tc.claimed {
				r.RequireOnce(t)
			}
		})
	}
}
