package endtoend_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/workflows"
)

// A conversation that is ended, or cancelled, while nothing but its platform knows that
// its claim has landed is ended there too.
func TestEndWhileTheClaimIsAmbiguous(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"end", "cancel"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			r := rig.New(t, localstacktest.Client(t), rig.Options{
				Sim:   sim.Config{Faults: sim.Faults{LostAnswerRate: 1, Only: []string{sim.OpStart}}},
				Setup: sim.Setup{Conversations: 1}, Settle: 5 * time.Second,
			})
			ref := r.Waiting(t)[0].Ref
			r.StartWorker(t)
			id := r.Start(t, ref)
			rig.Eventually(t, func() bool { return r.Sim.Report().Simulations[0].Conversations["in_progress"] == 1 }, "%+v", r.Sim.Report().Simulations)
			require.Equal(t, workflows.StateClaiming, r.Status(t, id).State)
			if how == "end" {
				require.NoError(t, r.Update(t, id, workflows.UpdateEnd, workflows.EndRequest{Reason: "enough"}))
				out, err := r.Outcome(t, id)
				require.NoError(t, err)
				require.Equal(t, conversation.EndedByOperator, out.EndedBy)
			} else {
				require.NoError(t, r.Client.CancelWorkflow(t.Context(), id, ""))
				_, err := r.Outcome(t, id)
				require.Error(t, err)
			}
			require.Equal(t, 1, r.Sim.Report().Simulations[0].Conversations["ended"])
			require.Empty(t, r.Fake.Requests())
		})
	}
}
