package cost_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/proto"

	"github.com/parley-run/parley/bench/internal/cost"
	"github.com/parley-run/parley/internal/records/recordstest"
	"github.com/parley-run/parley/workflows"
)

// recorded is a golden history: what it costs never changes.
func recorded(t *testing.T, name string) []*history.HistoryEvent {
	t.Helper()
	file, err := os.Open(filepath.Join("..", "..", "..", "workflows", "testdata", "histories", "0.1.0", name+".json"))
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	h, err := client.HistoryFromJSON(file, client.HistoryJSONOptions{})
	require.NoError(t, err)
	return h.Events
}

// A conversation of three runs counts as one.
func TestOfAllRuns(t *testing.T) {
	t.Parallel()
	var server recordstest.Server
	var want int
	for i, name := range []string{"conversation-rolled-over", "conversation-rolled-over-run2", "conversation-rolled-over-run3"} {
		events := recorded(t, name)
		want += len(events)
		run := string(rune('a' + i))
		if i < 2 {
			events[len(events)-1].GetWorkflowExecutionContinuedAsNewEventAttributes().NewExecutionRunId = string(rune('a' + i + 1))
		}
		server.Put(workflows.ConversationName, "c", run, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, func(e *recordstest.Execution) {
			e.Events = events
			e.Info.FirstRunId = "a"
			e.Info.StateTransitionCount = int64(10 * (i + 1))
			e.Info.HistorySizeBytes = int64(1000 * (i + 1))
		})
	}
	total, events, err := cost.Of(t.Context(), &server, "c")
	require.NoError(t, err)
	require.Len(t, events, want)
	require.Equal(t, cost.Cost{
		Transitions: 60, Events: 71, Bytes: 6000, Runs: 3,
		Activities: 9,         // 5, 2 and 2
		Actions:    3 + 9 + 2, // starts, attempts of activities, changes of search attributes
	}, total)
}

func TestOfSaysWhichWorkflowCannotBeRead(t *testing.T) {
	t.Parallel()
	var server recordstest.Server
	_, _, err := cost.Of(t.Context(), &server, "c")
	require.ErrorContains(t, err, "cost: c: workflow not found")
	// The second run is gone: the first alone must not pass for the whole.
	server.Put(workflows.ConversationName, "c", "a", enums.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW, func(e *recordstest.Execution) {
		e.Events = recorded(t, "conversation-rolled-over")
		e.Info.FirstRunId = "a"
	})
	_, _, err = cost.Of(t.Context(), &server, "c")
	require.ErrorContains(t, err, "cost: c: workflow not found")
	server.Fail(errors.New("no server"))
	_, _, err = cost.Of(t.Context(), &server, "c")
	require.EqualError(t, err, "cost: c: no server")
}

func TestActionsOfRecordedHistories(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]int64{
		"conversation-persona-first": 1 + 7 + 2,         // start, activities, search attributes
		"conversation-attributes":    1 + 5 + 1,         // the same
		"conversation-direct":        1 + 2 + 2 + 3 + 1, // start, updates, activities, search attributes, timer
		"inbox-lifecycle":            1 + 3 + 1 + 4 + 5 + 1,
	} {
		var actions int64
		for _, event := range recorded(t, name) {
			actions += cost.Actions(event)
		}
		require.Equal(t, want, actions, name)
	}
}

func TestActions(t *testing.T) {
	t.Parallel()
	started := func(attempt int32) *history.HistoryEvent {
		return &history.HistoryEvent{
			EventType: enums.EVENT_TYPE_ACTIVITY_TASK_STARTED,
			Attributes: &history.HistoryEvent_ActivityTaskStartedEventAttributes{
				ActivityTaskStartedEventAttributes: &history.ActivityTaskStartedEventAttributes{Attempt: attempt},
			},
		}
	}
	marker := func(name string) *history.HistoryEvent {
		return &history.HistoryEvent{
			EventType: enums.EVENT_TYPE_MARKER_RECORDED,
			Attributes: &history.HistoryEvent_MarkerRecordedEventAttributes{
				MarkerRecordedEventAttributes: &history.MarkerRecordedEventAttributes{MarkerName: name},
			},
		}
	}
	of := func(kind enums.EventType) *history.HistoryEvent { return &history.HistoryEvent{EventType: kind} }
	for name, tt := range map[string]struct {
		event *history.HistoryEvent
		want  int64
	}{
		"first attempt":         {started(1), 1},
		"third attempt":         {started(3), 3},
		"attempt of old server": {started(0), 1},
		"side effect":           {marker("SideEffect"), 1},
		"mutable side effect":   {marker("MutableSideEffect"), 1},
		"version":               {marker("Version"), 0},
		"rejected update":       {of(enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_REJECTED), 1},
		"options":               {of(enums.EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED), 1},
		"workflow task":         {of(enums.EVENT_TYPE_WORKFLOW_TASK_STARTED), 0},
		"scheduled activity":    {of(enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED), 0},
		"fired timer":           {of(enums.EVENT_TYPE_TIMER_FIRED), 0},
		"completed update":      {of(enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED), 0},
	} {
		require.Equal(t, tt.want, cost.Actions(tt.event), name)
	}
}

func TestTurns(t *testing.T) {
	t.Parallel()
	events := recorded(t, "conversation-persona-first") // two replies, at events 24 and 36
	bytes := 0
	for _, event := range events[23:35] {
		bytes += proto.Size(event)
	}
	turn, err := cost.Turns(events, 1, 2)
	require.NoError(t, err)
	require.Equal(t, cost.Turn{Events: 12, Bytes: float64(bytes), Actions: 2}, turn)
	for _, span := range [][2]int{{1, 3}, {1, 1}, {2, 1}} {
		_, err := cost.Turns(events, span[0], span[1])
		require.EqualError(t, err, "cost: the conversation has not that many turns", "%v", span)
	}
}
