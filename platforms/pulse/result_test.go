package pulse_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/pulsetest"
	"github.com/parley-run/parley/platforms/pulse"
)

// A result is where Pulse's API and SDK look, as far as Pulse lets a worker put it
// there: status, time and error in the history, from which /result and /results read;
// the result itself in the task's metadata.
func TestResultIsFound(t *testing.T) {
	t.Parallel()
	for _, stage := range []pulse.Stage{pulse.StageB, pulse.StageC} {
		b := setup(t, pulsetest.Config{Stage: stage})
		good, bad := b.Add(pulsetest.Schedule{}), b.Add(pulsetest.Schedule{})
		require.Equal(t, "pending", call(t, b, http.MethodGet, "/tasks/"+good+"/result", "")["status"])
		execution := map[string]string{}
		for _, a := range b.assigned(t) {
			receipt := b.claim(t, a.Ref, "w")
			execution[a.Ref.Simulation] = receipt.ExecutionID
			in := report(receipt)
			in.Result = json.RawMessage(`{"n":3}`)
			if a.Ref.Simulation == bad {
				in.Status, in.Error, in.Result = conversation.TaskFailed, "it broke", nil
			}
			require.NoError(t, b.platform.Report(t.Context(), a.Ref, in))
		}
		require.Equal(t, map[string]any{"status": "success", "error": nil}, call(t, b, http.MethodGet, "/tasks/"+good+"/result", ""))
		require.Equal(t, map[string]any{"status": "failed", "error": "it broke"}, call(t, b, http.MethodGet, "/tasks/"+bad+"/result", ""))
		metadata := call(t, b, http.MethodGet, "/tasks/"+good, "")["metadata"].(map[string]any)
		summary := metadata["parley_result"].(map[string]any)
		require.Equal(t, map[string]any{"n": 3.0}, summary["result"])
		require.Equal(t, execution[good], summary["execution_id"])
		if stage != pulse.StageC {
			continue
		}
		require.Equal(t, map[string]any{"status": "success", "error": nil, "execution_time_ms": 1500.0},
			call(t, b, http.MethodGet, "/tasks/"+good+"/result?execution_id="+execution[good], ""))
		all := call(t, b, http.MethodGet, "/tasks/"+bad+"/results", "")
		require.Equal(t, 1.0, all["total_executions"])
		line := all["executions"].([]any)[0].(map[string]any)
		require.Equal(t, execution[bad], line["execution_id"])
		require.Equal(t, "it broke", line["error"])
	}
}
