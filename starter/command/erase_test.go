package command

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/platforms"
)

type erasedDocument struct {
	Results   []erased `json:"results"`
	NotErased []string `json:"not_erased"`
}

// Every run is deleted, with its reset and its termination, and nothing starts it again.
func TestErase(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 3, stuck{})
	h.StartWorker(t)
	var ran runDocument
	h.json(&ran, 3, "run", "--agent", "support", "--wait")
	require.Len(t, ran.Conversations, 3)
	open, killed, kept := ran.Conversations[0].ID, ran.Conversations[1].ID, ran.Conversations[2].ID

	h.starter(0, "end", kept)

	// An open one is refused, and shown. It has two runs after a reset.
	h.starter(1, "erase", open, "--yes")
	require.Contains(t, h.starter(0, "erase", open, "--dry-run"), "would erase "+open+" (1 run, needs attention)")
	h.starter(0, "show", open)
	_, err := h.Client.ResetWorkflowExecution(t.Context(), &workflowservice.ResetWorkflowExecutionRequest{
		Namespace: "default", WorkflowExecution: &common.WorkflowExecution{WorkflowId: open}, WorkflowTaskFinishEventId: 4, RequestId: "reset", Reason: "test",
	})
	require.NoError(t, err)
	// One that was cut off is open on its platform: an inbox would adopt it.
	require.NoError(t, h.Client.TerminateWorkflow(t.Context(), killed, "", "test"))
	h.starter(1, "erase", killed, "--yes")

	var out erasedDocument
	h.json(&out, 0, "erase", open, killed, "--end", "--yes", "--as", "ada")
	require.Equal(t, 2, out.Results[0].Runs)
	require.Equal(t, "erased", out.Results[0].Status)
	require.Equal(t, 1, out.Results[1].Runs)
	require.Contains(t, out.NotErased[0], h.Name)
	requireGone(t, h, open)
	requireGone(t, h, killed)
	h.json(&ran, 0, "run", "--agent", "support")
	require.Zero(t, ran.Started, "both are over on the platform")

	// The record has who. The other conversation is as it was.
	acts, err := h.operator().Acts(t.Context(), open)
	require.NoError(t, err)
	require.Len(t, acts, 1)
	require.Equal(t, operate.ActionErase, acts[0].Action)
	require.Equal(t, "ada", acts[0].By)
	h.starter(0, "show", kept)

	// By filters: only what closed so long ago.
	simulation := []string{"erase", "--all", "--simulation", h.Seeded.SimulationIDs[0], "--yes", "--older-than"}
	h.json(&out, 0, append(simulation, "1h")...)
	require.Empty(t, out.Results)
	h.json(&out, 0, append(simulation, "1s")...)
	require.Len(t, out.Results, 1)
	require.Equal(t, kept, out.Results[0].ID)
	requireGone(t, h, kept)
	h.starter(4, "erase", kept, "--yes")
}

func (h *house) operator() *operate.Operator {
	return &operate.Operator{Reader: &records.Reader{Client: h.Client, Namespace: "default", TaskQueue: h.TaskQueue}}
}

// requireGone requires that Temporal has no run, and visibility neither.
func requireGone(t *testing.T, h *house, id string) {
	t.Helper()
	_, err := h.Client.DescribeWorkflowExecution(t.Context(), id, "")
	var gone *serviceerror.NotFound
	require.ErrorAs(t, err, &gone)
	count, err := h.Client.CountWorkflow(t.Context(), &workflowservice.CountWorkflowExecutionsRequest{Query: "WorkflowId = '" + id + "'"})
	require.NoError(t, err)
	require.Zero(t, count.GetCount())
}

func TestEraseCommandLine(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		f     eraseFlags
		names []string
		want  string
	}{
		"Nothing":         {want: "name the conversations"},
		"All":             {f: eraseFlags{all: true}, want: "give a filter"},
		"AllAndNames":     {f: eraseFlags{all: true}, names: []string{"a"}, want: "not both"},
		"FiltersAndNames": {f: eraseFlags{olderThan: time.Hour}, names: []string{"a"}, want: "filters go with --all"},
		"Negative":        {f: eraseFlags{all: true, olderThan: -1}, want: "is negative"},
		"Named":           {names: []string{"a"}},
		"Old":             {f: eraseFlags{all: true, olderThan: time.Hour}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := tc.f.check(tc.names)
			if tc.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tc.want)
		})
	}
}

// told is a platform that says how a conversation stands there.
type told struct {
	platforms.Conversations
	state platforms.State
	err   error
}

func (p told) Transcript(context.Context, conversation.Ref) (platforms.Transcript, error) {
	return platforms.Transcript{State: p.state}, p.err
}

// task is a platform of tasks that says the same.
type task struct {
	platforms.Tasks
	err error
}

func (p task) Context(context.Context, conversation.Ref) (conversation.Context, error) {
	return conversation.Context{}, p.err
}

func TestIsOver(t *testing.T) {
	t.Parallel()
	gone := &conversation.Error{Kind: conversation.NotFound, Err: errors.New("gone")}
	over := &conversation.Error{Kind: conversation.Ended, Err: errors.New("acknowledged")}
	down := &conversation.Error{Kind: conversation.Unavailable, Err: errors.New("down")}
	for name, tc := range map[string]struct {
		p     platforms.Platform
		over  bool
		fails bool
	}{
		"Ended":        {told{state: platforms.StateEnded}, true, false},
		"Open":         {told{state: platforms.StateOpen}, false, false},
		"Waiting":      {told{state: platforms.StateWaiting}, false, false},
		"Unknown":      {told{state: platforms.StateUnknown}, false, false},
		"Gone":         {told{err: gone}, true, false},
		"Down":         {told{err: down}, false, true},
		"TaskOver":     {task{err: over}, true, false},
		"TaskGone":     {task{err: gone}, true, false},
		"TaskToBeDone": {task{}, false, false},
		"TaskDown":     {task{err: down}, false, true},
		"Transport":    {struct{ platforms.Transport }{}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			is, err := isOver(t.Context(), tc.p, conversation.Ref{})
			require.Equal(t, tc.over, is)
			require.Equal(t, tc.fails, err != nil)
		})
	}
}
