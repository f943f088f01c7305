package operate_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/workflows"
)

func TestList(t *testing.T) {
	t.Parallel()
	var s server
	for i := range 5 {
		state := running
		if i%2 == 1 {
			state = completed
		}
		s.put(workflows.ConversationName, fmt.Sprintf("onerun/pr1/cv%d", i), "run", state, func(e *execution) {
			e.info.StartTime = timestamppb.New(began.Add(time.Duration(i) * time.Minute))
			e.info.CloseTime = nil
			e.summary = fmt.Sprintf("persona %d", i)
			e.attribute(t, workflows.KeyStatus.GetName(), "talking")
			e.attribute(t, workflows.KeyTurns.GetName(), i)
			if state == completed {
				e.info.CloseTime = timestamppb.New(began.Add(time.Hour))
				e.attribute(t, workflows.KeyOutcome.GetName(), conversation.OutcomeEnded)
				e.attribute(t, workflows.KeyEndedBy.GetName(), conversation.EndedByTurnLimit)
			}
		})
	}
	page, err := newOperator(&s).List(t.Context(), operate.Filter{Agent: "it's"}, 4)
	require.NoError(t, err)
	require.Len(t, page.Conversations, 4)
	first := page.Conversations[0]
	require.Equal(t, "onerun/pr1/cv3", first.ID)
	require.Equal(t, "persona 3", first.Persona)
	require.Equal(t, 3, first.Turns)
	require.Equal(t, "closed", first.Status)
	require.Equal(t, "ended by turn limit", first.Result())
	require.Equal(t, 57*time.Minute, first.Duration())
	require.Equal(t, operate.Counts{Shown: 4, Total: 5, Open: 3, NeedAttention: 1, Completed: 2}, page.Counts)
	require.Contains(t, s.queries[0], `ParleyAgent = 'it\'s'`)
	require.Contains(t, s.queries[0], "ExecutionStatus != 'ContinuedAsNew'")

	page, err = newOperator(&s).List(t.Context(), operate.Filter{}, 0)
	require.NoError(t, err)
	require.Len(t, page.Conversations, 5)
}

func TestListFromTheFirstRun(t *testing.T) {
	t.Parallel()
	var s server
	s.put(workflows.ConversationName, id, "run1", continued, func(e *execution) {
		e.info.StartTime = timestamppb.New(began.Add(-time.Hour))
	})
	s.put(workflows.ConversationName, id, "run2", completed, func(e *execution) { e.info.FirstRunId = "run1" })
	s.executions[0].info.Type.Name = "hidden from visibility"
	page, err := newOperator(&s).List(t.Context(), operate.Filter{}, 10)
	require.NoError(t, err)
	require.Equal(t, time.Hour+time.Minute, page.Conversations[0].Duration())
}

func TestFilter(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		filter operate.Filter
		want   string
		fault  string
	}{
		"All":      {want: ""},
		"Fields":   {filter: operate.Filter{Platform: "p", Project: "q", Simulation: "s"}, want: " AND ParleyPlatform = 'p' AND ParleyProject = 'q' AND ParleySimulation = 's'"},
		"Statuses": {filter: operate.Filter{Statuses: []string{"Needs-Attention", "broken"}}, want: " AND ((ExecutionStatus = 'Running' AND ParleyStatus = 'needs_attention') OR ExecutionStatus IN ('Failed', 'Terminated', 'TimedOut'))"},
		"Outcomes": {filter: operate.Filter{Outcomes: []string{"failed"}}, want: " AND (ParleyOutcome = 'failed')"},
		"Query":    {filter: operate.Filter{Query: "ParleyTurns > 3 OR ParleyTurns = 0"}, want: " AND (ParleyTurns > 3 OR ParleyTurns = 0)"},
		"Unknown":  {filter: operate.Filter{Statuses: []string{"sleeping"}}, fault: `unknown status "sleeping": use waiting, claiming, talking`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s server
			_, err := newOperator(&s).List(t.Context(), tt.filter, 1)
			if tt.fault != "" {
				require.ErrorContains(t, err, tt.fault)
				require.Equal(t, operate.Malformed, operate.KindOf(err))
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, strings.TrimPrefix(s.queries[0], "WorkflowType = 'Conversation' AND ExecutionStatus != 'ContinuedAsNew'"))
		})
	}
}
