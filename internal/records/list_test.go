package records_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/records/recordstest"
	"github.com/parley-run/parley/workflows"
)

func TestList(t *testing.T) {
	t.Parallel()
	var s recordstest.Server
	for i := range 5 {
		state := recordstest.Running
		if i%2 == 1 {
			state = recordstest.Completed
		}
		s.Put(workflows.ConversationName, fmt.Sprintf("onerun/pr1/cv%d", i), "run", state, func(e *recordstest.Execution) {
			e.Info.StartTime = timestamppb.New(recordstest.Began.Add(time.Duration(i) * time.Minute))
			e.Info.CloseTime = nil
			e.Summary = fmt.Sprintf("persona %d", i)
			e.Attribute(t, workflows.KeyStatus.GetName(), "talking")
			e.Attribute(t, workflows.KeyTurns.GetName(), i)
			if state == recordstest.Completed {
				e.Info.CloseTime = timestamppb.New(recordstest.Began.Add(time.Hour))
				e.Attribute(t, workflows.KeyOutcome.GetName(), conversation.OutcomeEnded)
				e.Attribute(t, workflows.KeyEndedBy.GetName(), conversation.EndedByTurnLimit)
			}
		})
	}
	page, err := s.NewReader().List(t.Context(), records.Filter{Agent: "it's"}, 4)
	require.NoError(t, err)
	require.Len(t, page.Conversations, 4)
	first := page.Conversations[0]
	require.Equal(t, "onerun/pr1/cv3", first.ID)
	require.Equal(t, "persona 3", first.Persona)
	require.Equal(t, 3, first.Turns)
	require.Equal(t, "closed", first.Status)
	require.Equal(t, "ended by turn limit", first.Result())
	require.Equal(t, 57*time.Minute, first.Duration())
	require.Equal(t, records.Counts{Shown: 4, Total: 5, Open: 3, NeedAttention: 1, Completed: 2}, page.Counts)
	require.Contains(t, s.Queries[0], `ParleyAgent = 'it\'s'`)
	require.Contains(t, s.Queries[0], "ExecutionStatus != 'ContinuedAsNew'")

	page, err = s.NewReader().List(t.Context(), records.Filter{}, 0)
	require.NoError(t, err)
	require.Len(t, page.Conversations, 5)
}

func TestListFromTheFirstRun(t *testing.T) {
	t.Parallel()
	var s recordstest.Server
	s.Put(workflows.ConversationName, id, "run1", recordstest.Continued, func(e *recordstest.Execution) {
		e.Info.StartTime = timestamppb.New(recordstest.Began.Add(-time.Hour))
	})
	s.Put(workflows.ConversationName, id, "run2", recordstest.Completed, func(e *recordstest.Execution) { e.Info.FirstRunId = "run1" })
	s.Executions[0].Info.Type.Name = "hidden from visibility"
	page, err := s.NewReader().List(t.Context(), records.Filter{}, 10)
	require.NoError(t, err)
	require.Equal(t, time.Hour+time.Minute, page.Conversations[0].Duration())
}

func TestFilter(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		filter records.Filter
		want   string
		fault  string
	}{
		"All":      {want: ""},
		"Fields":   {filter: records.Filter{Platform: "p", Project: "q", Simulation: "s"}, want: " AND ParleyPlatform = 'p' AND ParleyProject = 'q' AND ParleySimulation = 's'"},
		"Statuses": {filter: records.Filter{Statuses: []string{"Needs-Attention", "broken"}}, want: " AND ((ExecutionStatus = 'Running' AND ParleyStatus = 'needs_attention') OR ExecutionStatus IN ('Failed', 'Terminated', 'TimedOut'))"},
		"Outcomes": {filter: records.Filter{Outcomes: []string{"failed"}}, want: " AND (ParleyOutcome = 'failed')"},
		"Query":    {filter: records.Filter{Query: "ParleyTurns > 3 OR ParleyTurns = 0"}, want: " AND (ParleyTurns > 3 OR ParleyTurns = 0)"},
		"Unknown":  {filter: records.Filter{Statuses: []string{"sleeping"}}, fault: `unknown status "sleeping": use waiting, claiming, talking`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s recordstest.Server
			_, err := s.NewReader().List(t.Context(), tt.filter, 1)
			if tt.fault != "" {
				require.ErrorContains(t, err, tt.fault)
				require.Equal(t, records.Malformed, records.KindOf(err))
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, strings.TrimPrefix(s.Queries[0], "WorkflowType = 'Conversation' AND ExecutionStatus != 'ContinuedAsNew'"))
		})
	}
}
