package records_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/failure/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/client"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/records/recordstest"
	"github.com/parley-run/parley/workflows"
)

// golden is a server with the runs of recorded histories, the oldest first.
func golden(t *testing.T, names ...string) *recordstest.Server {
	t.Helper()
	s := &recordstest.Server{}
	previous := ""
	for i, name := range names {
		file, err := os.Open(filepath.Join("..", "..", "workflows", "testdata", "histories", "0.1.0", name+".json"))
		require.NoError(t, err)
		h, err := client.HistoryFromJSON(file, client.HistoryJSONOptions{})
		require.NoError(t, err)
		require.NoError(t, file.Close())
		run := fmt.Sprintf("run%d", i+1)
		h.Events[0].GetWorkflowExecutionStartedEventAttributes().ContinuedExecutionRunId = previous
		state := recordstest.Completed
		if i < len(names)-1 {
			state = recordstest.Continued
		}
		s.Put(workflows.ConversationName, id, run, state, func(e *recordstest.Execution) { e.Events = h.Events })
		previous = run
	}
	return s
}

// shape is a timeline on a line for each turn, without times.
func shape(turns []records.Turn) []string {
	var out []string
	for _, t := range turns {
		var steps []string
		for _, s := range t.Steps {
			text := string(s.Kind)
			if s.Tool != nil {
				text += " " + s.Tool.Tool
			}
			if s.Attempts > 1 {
				text += fmt.Sprintf(" ×%d", s.Attempts)
			}
			if f := s.Failure; f != nil {
				text += fmt.Sprintf(" !%s", f.Kind)
			}
			steps = append(steps, text)
		}
		out = append(out, fmt.Sprintf("%d: %s; messages %v", t.Number, strings.Join(steps, ", "), t.Messages))
	}
	return out
}

func TestTimeline(t *testing.T) {
	t.Parallel()
	opening := "0: claim, context, exchange; messages [0]"
	for name, test := range map[string]struct {
		runs []string
		want []string
	}{
		"ended by the persona": {[]string{"conversation-persona-first"}, []string{opening, "1: reply, exchange; messages [1 2]", "2: reply, exchange; messages [3 4]"}},
		"ended by the agent":   {[]string{"conversation-agent-first"}, []string{"0: claim, context; messages []", "1: reply, exchange; messages [0 1]", "2: reply, exchange; messages [2 3]"}},
		"claim lost":           {[]string{"conversation-claim-lost"}, []string{"0: claim; messages []"}},
		"direct":               {[]string{"conversation-direct"}, []string{"1: reply; messages [0 1]", "2: reply; messages [2 3]"}},
		"failed":               {[]string{"conversation-failed"}, []string{opening, "1: reply !Invalid, end; messages []"}},
		"handed over":          {[]string{"conversation-handed-over"}, []string{opening, "1: reply, reply, exchange; messages [1 2]"}},
		"parked": {
			[]string{"conversation-parked-resumed"}, []string{opening, "1: reply !Unauthorized, attention, reply, exchange; messages [1 2]"},
		},
		"paused": {[]string{"conversation-paused"}, []string{opening, "1: reply, exchange, paused; messages [1 2]", "2: reply, exchange; messages [3 4]"}},
		"task":   {[]string{"conversation-task"}, []string{"0: claim, context; messages [0]", "1: reply, report, report; messages [1]"}},
		"tools": {[]string{"conversation-tools"}, []string{
			opening,
			"1: reply, tool look, approval, tool book, reply, approval, reply, exchange; messages [1 2 3 4 5 6 7]",
			"2: reply, exchange; messages [8 9]",
		}},
		"an operator took over between tool calls": {[]string{"conversation-tools-taken"}, []string{
			opening, "1: reply, approval, tool look, exchange; messages [1 2 3 4 5]", "2: reply, exchange; messages [6 7]",
		}},
		"reset": {[]string{"conversation-reset"}, []string{
			opening, "1: reply !Reset, context; messages [1 2 3 4]", "3: reply, exchange; messages [5 6]",
		}},
		"runs of a chain": {[]string{"conversation-rolled-over", "conversation-rolled-over-run2", "conversation-rolled-over-run3"}, []string{
			opening, "1: reply, exchange; messages [1 2]", "2: reply, exchange; messages [3 4]", "3: reply, exchange; messages [5 6]",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := golden(t, test.runs...).NewReader().Show(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, test.want, shape(r.Timeline))
			require.Empty(t, r.Incomplete)
			var sum records.Turn
			for _, turn := range r.Timeline {
				require.False(t, turn.Ended.Before(turn.Began))
				parts := turn.Reply + turn.Tools + turn.Exchange + turn.Waiting + turn.Retrying + turn.Overhead
				require.GreaterOrEqual(t, float64(parts)+0.005, turn.Ended.Sub(turn.Began).Seconds(), "every moment of turn %d has a cause", turn.Number)
				sum.Usage = sum.Usage.Add(turn.Usage)
			}
			require.Equal(t, r.Usage.InputTokens, sum.Usage.InputTokens)
			for i := 1; i < len(r.Timeline); i++ {
				require.False(t, r.Timeline[i].Began.Before(r.Timeline[i-1].Ended), "turn %d begins after the one before", r.Timeline[i].Number)
			}
		})
	}
}

// Where the time of a turn went: the attempts, the wait between them, the approval.
func TestTimelineTimes(t *testing.T) {
	t.Parallel()
	r, err := golden(t, "conversation-handed-over").NewReader().Show(t.Context(), id)
	require.NoError(t, err)
	require.InDelta(t, 2.01, float64(r.Timeline[1].Reply), 0.02)
	require.Equal(t, "agent", r.Timeline[1].Executor)

	r, err = golden(t, "conversation-tools-late").NewReader().Show(t.Context(), id)
	require.NoError(t, err)
	require.InDelta(t, 1.01, float64(r.Timeline[1].Waiting), 0.02)
	require.Less(t, float64(r.Timeline[1].Overhead), 0.1)

	r, err = golden(t, "conversation-taken-over").NewReader().Show(t.Context(), id)
	require.NoError(t, err)
	require.Less(t, float64(r.Timeline[1].Overhead), 0.05, "a reply that is not waited for any more has ended")

	r, err = golden(t, "conversation-parked-resumed").NewReader().Show(t.Context(), id)
	require.NoError(t, err)
	parked := r.Timeline[1].Steps[1]
	require.Equal(t, records.StepAttention, parked.Kind)
	require.NotEmpty(t, parked.Detail)
	require.Equal(t, r.Timeline[1].Steps[0].Failure.Reason, parked.Detail)
	require.True(t, r.Timeline[1].Steps[0].Failure.Final)
}

// What runs, and what waits for its next attempt, is known to the server alone.
func TestTimelineOfAnOpenStep(t *testing.T) {
	t.Parallel()
	h := recordstest.Record(t, workflows.ConversationInput{Ref: ref}, "")
	h.Schedule("7", activities.ReplyName, activities.ReplyInput{Turn: 1})
	s := &recordstest.Server{}
	e := s.Put(workflows.ConversationName, id, "run1", recordstest.Running, func(e *recordstest.Execution) { e.Events = h.Events })
	e.Pending = []*workflow.PendingActivityInfo{{
		ActivityId: "7", ActivityType: &common.ActivityType{Name: activities.ReplyName}, Attempt: 3, State: enums.PENDING_ACTIVITY_STATE_SCHEDULED,
		LastFailure: &failure.Failure{Message: "too busy", FailureInfo: &failure.Failure_ApplicationFailureInfo{
			ApplicationFailureInfo: &failure.ApplicationFailureInfo{Type: string(conversation.Unavailable)},
		}},
	}}
	r, err := s.NewReader().Show(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, []string{"1: reply ×3 !Unavailable; messages []"}, shape(r.Timeline))
	turn := r.Timeline[0]
	require.True(t, turn.Ended.IsZero())
	require.Equal(t, 2, turn.Retries)
	require.Zero(t, turn.Reply)
	require.Positive(t, turn.Retrying)
	require.Equal(t, &records.StepFailure{Kind: conversation.Unavailable, Reason: "too busy"}, turn.Steps[0].Failure)
}
