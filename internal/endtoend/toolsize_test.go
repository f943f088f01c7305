package endtoend_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/tools"
	"github.com/parley-run/parley/workflows"
)

// Results as large as may be, in a text that takes much more room in a history
// than in itself: Temporal takes what a round brings in one payload.
func TestLargeResultsOfARound(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		calls, bytes int
	}{
		"one":  {1, conversation.MaxToolResultBytes},
		"many": {60, 0},
		"most": {128, conversation.MaxToolResultBytes},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			box := rig.NewToolbox([]string{"read"})
			box.OnCall = func(context.Context, tools.Call) (tools.Result, error) {
				return tools.Result{Content: strings.Repeat("<x>\n", conversation.MaxToolResultBytes/2)}, nil
			}
			r, gate, _, id := equipped(t, box, conversation.Policy{ToolResultBytes: row.bytes}, 3)
			gate.Asked(t).Answer(t, rig.CallsTools(slices.Repeat([]string{"read"}, row.calls)...))
			after := gate.Asked(t)
			results := toolResults(after.Messages)
			require.Len(t, results, row.calls)
			for _, result := range results {
				require.Contains(t, result.Content, "[cut: this is the beginning of")
			}
			after.Reply(t)
			requireOutcome(t, r, id, "ended by turn limit")
		})
	}
}

// A turn that would fill the history is brought to its end: Temporal would end the
// workflow, and nobody would hear of it.
func TestRoundsEndBeforeTheHistoryIsFull(t *testing.T) {
	t.Parallel()
	box := rig.NewToolbox([]string{"read"})
	box.OnCall = func(context.Context, tools.Call) (tools.Result, error) {
		return tools.Result{Content: strings.Repeat("<x>\n", conversation.MaxToolResultBytes/2)}, nil
	}
	r, gate, _, id := equipped(t, box, conversation.Policy{ToolResultBytes: conversation.MaxToolResultBytes, ToolRounds: 100}, 3)
	rounds := 0
	ask := gate.Asked(t)
	for ; len(ask.Tools) > 0; ask = gate.Asked(t) {
		ask.Answer(t, rig.CallsTools("read"))
		rounds++
		require.Less(t, rounds, 20)
	}
	require.Greater(t, rounds, 8)
	require.Equal(t, ask.Messages, transcript(t, r, id), "and it can be read")
	ask.Reply(t)
	requireOutcome(t, r, id, "ended by turn limit")
}

// transcript reads all that the workflow holds, page by page.
func transcript(t *testing.T, r *rig.Rig, id string) []conversation.Message {
	t.Helper()
	var all []conversation.Message
	for {
		value, err := r.Client.QueryWorkflow(t.Context(), id, "", workflows.QueryTranscript, workflows.TranscriptQuery{From: len(all)})
		require.NoError(t, err)
		var page workflows.Transcript
		require.NoError(t, value.Get(&page))
		require.NotEmpty(t, page.Messages)
		if all = append(all, page.Messages...); len(all) == page.Total {
			return all
		}
	}
}
