package endtoend_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
)

// The platform's metadata choose the executor, among those that the agent allows.
func TestChoiceByMetadata(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		asks    any
		allowed []string
		speaks  string
	}{
		"allowed":       {"other", []string{"third", "other"}, "other"},
		"not allowed":   {"other", []string{"third"}, rig.ExecutorName},
		"none allowed":  {"other", nil, rig.ExecutorName},
		"not a name":    {map[string]any{"name": "other"}, []string{"other"}, rig.ExecutorName},
		"asks for none": {nil, []string{"other"}, rig.ExecutorName},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rig.New(t, localstacktest.Client(t), rig.Options{
				Sim: sim.Config{Player: rig.Endless{}}, Policy: conversation.Policy{Executors: row.allowed},
				Setup: sim.Setup{Conversations: 1, MaxTurns: 3, AgentMetadata: map[string]any{"executor": row.asks, "team": "blue"}},
			})
			require.NoError(t, r.Executors().Add("other", &executortest.Fake{}, executors.About{}))
			r.StartWorker(t)
			id := r.Start(t, r.Waiting(t)[0].Ref)
			requireOutcome(t, r, id, "ended by turn limit")
			require.Equal(t, row.speaks, r.Status(t, id).Executor)
		})
	}
}
