package endtoend_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/onerun"
	"github.com/parley-run/parley/workflows"
)

var record = flag.String("record", "", "record the golden histories of this release under workflows/testdata/histories")

// machine and sticky are what a history says of the machine it was recorded on.
var (
	machine = regexp.MustCompile(`"identity": "[0-9]+@[^"]*"`)
	sticky  = regexp.MustCompile(`"name": "[^":]*:([0-9a-f-]{36})"`)
)

// TestGoldenHistories goes every path through the workflows once. With -record it
// keeps the histories; without, it only proves that the paths can be gone.
func TestGoldenHistories(t *testing.T) {
	t.Parallel()
	for name, walk := range map[string]func(*testing.T) (*rig.Rig, string){
		"conversation-persona-first":  goldenPersonaFirst,
		"conversation-agent-first":    goldenAgentFirst,
		"conversation-claim-lost":     goldenClaimLost,
		"conversation-paused":         goldenPaused,
		"conversation-taken-over":     goldenTakenOver,
		"conversation-parked-resumed": goldenParkedResumed,
		"conversation-failed":         goldenFailed,
		"conversation-cancelled":      goldenCancelled,
		"conversation-ended":          goldenEnded,
		"conversation-handed-over":    goldenHandedOver,
		"conversation-rolled-over":    goldenRolledOver,
		"conversation-adopted":        goldenAdopted,
		"conversation-attributes":     goldenAttributes,
		"conversation-reset":          goldenReset,
		"conversation-diverged":       goldenDiverged,
		"conversation-max-turns":      goldenMaxTurns,
		"conversation-tools":          goldenTools,
		"conversation-tools-late":     goldenToolsTimedOut,
		"conversation-tools-lost":     goldenToolsLost,
		"conversation-length":         goldenLength,
		"conversation-tools-taken":    goldenToolsTakenOver,
		"conversation-budget":         goldenBudget,
		"conversation-direct":         goldenDirect,
		"conversation-direct-idle":    goldenDirectIdle,
		"conversation-persona":        goldenPersonaFunction,
		"conversation-task":           goldenTask,
		"conversation-task-failed":    goldenTaskFailed,
		"conversation-task-cancelled": goldenTaskCancelled,
		"conversation-task-unclear":   goldenTaskUnclear,
		"conversation-task-too-large": goldenTaskTooLarge,
		"inbox-lifecycle":             goldenInbox,
		"capacity-parked":             goldenCapacity,
		"ledger-two-workers":          goldenLedger,
	} {
		t.Run(name, func(t *testing.T) {
			r, id := walk(t)
			if *record != "" {
				save(t, r, id, name)
			}
		})
	}
}

// save writes the histories of all runs of a workflow.
func save(t *testing.T, r *rig.Rig, id, name string) {
	t.Helper()
	dir := filepath.Join("..", "..", "workflows", "testdata", "histories", *record)
	require.NoError(t, os.MkdirAll(dir, 0o755))
	for i, run := range runChain(t, r, id) {
		var h history.History
		events := r.Client.GetWorkflowHistory(t.Context(), id, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for events.HasNext() {
			event, err := events.Next()
			require.NoError(t, err)
			h.Events = append(h.Events, event)
		}
		raw, err := temporalproto.CustomJSONMarshalOptions{Indent: " "}.Marshal(&h)
		require.NoError(t, err)
		raw = machine.ReplaceAll(raw, []byte(`"identity": "recorder"`))
		raw = sticky.ReplaceAll(raw, []byte(`"name": "recorder:$1"`))
		file := name
		if i > 0 {
			file += "-run" + string(rune('1'+i))
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, file+".json"), append(raw, '\n'), 0o644))
	}
}

func goldenPersonaFirst(t *testing.T) (*rig.Rig, string) {
	r, gate, ref := gated(t, 5)
	id := r.Start(t, ref)
	gate.Asked(t).Reply(t)
	gate.Asked(t).Reply(t)
	requireOutcome(t, r, id, "ended by turn limit")
	return r, id
}

func goldenAgentFirst(t *testing.T) (*rig.Rig, string) {
	r := rig.New(t, localstacktest.Client(t), rig.Options{
		Sim: sim.Config{Player: rig.Endless{}}, Setup: sim.Setup{Conversations: 1, MaxTurns: 4}, Opening: onerun.OpeningAgent,
	})
	r.StartWorker(t)
	ref := r.Waiting(t)[0].Ref
	id := r.Start(t, ref)
	requireOutcome(t, r, id, "ended by turn limit")
	require.Equal(t, "assistant: reply 1", texts(t, r, ref)[0])
	return r, id
}

func goldenClaimLost(t *testing.T) (*rig.Rig, string) {
	r, _, ref := gated(t, 5)
	require.NoError(t, r.Platform.Claim(t.Context(), ref))
	id := r.Start(t, ref)
	requireOutcome(t, r, id, "claim lost")
	return r, id
}

func goldenPaused(t *testing.T) (*rig.Rig, string) {
	r, gate, ref := gated(t, 5)
	id := r.Start(t, ref)
	ask := gate.Asked(t)
	require.NoError(t, r.Update(t, id, workflows.UpdatePause, workflows.PauseRequest{Reason: "golden"}))
	ask.Reply(t)
	requireState(t, r, id, workflows.StatePaused)
	require.NoError(t, r.Update(t, id, workflows.UpdateResume, workflows.ResumeRequest{}))
	gate.Asked(t).Reply(t)
	requireOutcome(t, r, id, "ended by turn limit")
	return r, id
}

func goldenTakenOver(t *testing.T) (*rig.Rig, string) {
	r, gate, ref := gated(t, 20)
	id := r.Start(t, ref)
	gate.Asked(t)
	require.NoError(t, r.Update(t, id, workflows.UpdateTakeover, workflows.TakeoverRequest{Text: "by hand"}))
	ask := gate.Asked(t)
	require.NoError(t, r.Update(t, id, workflows.UpdatePause, workflows.PauseRequest{}))
	ask.Reply(t)
	requireState(t, r, id, workflows.StatePaused)
	require.NoError(t, r.Update(t, id, workflows.UpdateTakeover, workflows.TakeoverRequest{Text: "goodbye", End: true}))
	requireOutcome(t, r, id, "ended by agent")
	return r, id
}

func goldenParkedResumed(t *testing.T) (*rig.Rig, string) {
	r, gate, ref := gated(t, 3)
	id := r.Start(t, ref)
	gate.Asked(t).Fail(t, fault(conversation.Unauthorized, "mend the key"))
	requireState(t, r, id, workflows.StateNeedsAttention)
	require.NoError(t, r.Update(t, id, workflows.UpdateResume, workflows.ResumeRequest{}))
	gate.Asked(t).Reply(t)
	requireOutcome(t, r, id, "ended by turn limit")
	return r, id
}

func goldenFailed(t *testing.T) (*rig.Rig, string) {
	r, gate, ref := gated(t, 3)
	id := r.StartWith(t, workflows.ConversationInput{
		Ref: ref, Policy: conversation.Policy{Executor: rig.ExecutorName, OnExhausted: conversation.EndConversation},
	})
	gate.Asked(t).Fail(t, fault(conversation.Invalid, ""))
	_, err := r.Outcome(t, id)
	require.Error(t, err)
	return r, id
}

func goldenCancelled(t *testing.T) (*rig.Rig, string) {
	r, gate, ref := gated(t, 20)
	id := r.Start(t, ref)
	gate.Asked(t)
	require.NoError(t, r.Client.CancelWorkflow(t.Context(), id, ""))
	_, err := r.Outcome(t, id)
	require.Error(t, err)
	return r, id
}

func goldenEnded(t *testing.T) (*rig.Rig, string) {
	r, gate, ref := gated(t, 20)
	id := r.Start(t, ref)
	gate.Asked(t)
	require.NoError(t, r.Update(t, id, workflows.UpdateEnd, workflows.EndRequest{Reason: "golden"}))
	requireOutcome(t, r, id, "ended by operator")
	return r, id
}

func goldenHandedOver(t *testing.T) (*rig.Rig, string) {
	r, gate, ref := gated(t, 3)
	id := r.Start(t, ref)
	gate.Asked(t)
	r.StopWorkers()
	r.StartWorker(t)
	gate.Asked(t).Reply(t)
	requireOutcome(t, r, id, "ended by turn limit")
	return r, id
}

func goldenRolledOver(t *testing.T) (*rig.Rig, string) {
	r, gate, ref := gated(t, 7)
	id := r.StartWith(t, workflows.ConversationInput{
		Ref: ref, Policy: conversation.Policy{Executor: rig.ExecutorName, RunTurns: 1},
	})
	for range 3 {
		gate.Asked(t).Reply(t)
	}
	requireOutcome(t, r, id, "ended by turn limit")
	return r, id
}

// goldenAttributes says in the search attributes who has spoken and what it has cost, over
// several runs.
func goldenAttributes(t *testing.T) (*rig.Rig, string) {
	r, gate, ref := gated(t, 5)
	id := r.StartWith(t, workflows.ConversationInput{
		Ref: ref, Policy: conversation.Policy{Executor: rig.ExecutorName, RunTurns: 1},
	})
	for _, model := range []string{"model-1", "model-2"} {
		gate.Asked(t).Answer(t, executors.Result{
			Message: conversation.Text(conversation.RoleAssistant, "as "+model), Model: model,
			Usage: conversation.Usage{Calls: 1, InputTokens: 100, OutputTokens: 20, Cost: 1500},
		})
	}
	requireOutcome(t, r, id, "ended by turn limit")
	var found []*workflow.WorkflowExecutionInfo
	rig.Eventually(t, func() bool {
		list, err := r.Client.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{
			Query: fmt.Sprintf("WorkflowId = '%s' AND ParleyOutcome = 'ended' AND ParleyModel = 'model-1' AND ParleyTokens >= 240 AND ParleyCost > 0.0029", id),
		})
		require.NoError(t, err)
		found = list.Executions
		return len(found) == 1
	})
	shown := map[string]string{}
	for name, payload := range found[0].GetSearchAttributes().GetIndexedFields() {
		shown[name] = string(payload.GetData())
	}
	require.NotEmpty(t, shown["ParleyPersona"])
	require.Equal(t, []string{`["` + rig.ExecutorName + `"]`, `["model-1","model-2"]`, "240", "0.003"},
		[]string{shown["ParleyExecutor"], shown["ParleyModel"], shown["ParleyTokens"], shown["ParleyCost"]})
	return r, id
}

func goldenAdopted(t *testing.T) (*rig.Rig, string) {
	r, gate, ref := gated(t, 5)
	require.NoError(t, r.Platform.Claim(t.Context(), ref))
	_, err := r.Platform.Send(t.Context(), ref, platforms.Send{})
	require.NoError(t, err)
	id := r.StartWith(t, workflows.ConversationInput{Ref: ref, Policy: conversation.Policy{Executor: rig.ExecutorName}, Adopt: true})
	gate.Asked(t).Reply(t)
	gate.Asked(t).Reply(t)
	requireOutcome(t, r, id, "ended by turn limit")
	return r, id
}

func goldenMaxTurns(t *testing.T) (*rig.Rig, string) {
	r, gate, ref := gated(t, 20)
	id := r.StartWith(t, workflows.ConversationInput{
		Ref: ref, Policy: conversation.Policy{Executor: rig.ExecutorName, MaxTurns: 1},
	})
	gate.Asked(t).Reply(t)
	requireOutcome(t, r, id, "budget spent")
	return r, id
}

func goldenInbox(t *testing.T) (*rig.Rig, string) {
	r, gate, _ := gated(t, 3)
	in := r.InboxInput()
	id := r.StartInbox(t, in)
	gate.Asked(t).Fail(t, fault(conversation.QuotaExhausted, "buy more"))
	rig.Eventually(t, func() bool {
		return r.InboxStatus(t, id).State == workflows.InboxNeedsAttention
	})
	require.NoError(t, r.Update(t, id, workflows.UpdateResume, workflows.ResumeRequest{}))
	require.NoError(t, r.Update(t, id, workflows.UpdatePause, workflows.PauseRequest{Reason: "golden"}))
	require.Error(t, r.Update(t, id, workflows.UpdatePause, workflows.PauseRequest{}))
	require.NoError(t, r.Update(t, id, workflows.UpdateResume, workflows.ResumeRequest{}))
	in.Settings.AdoptAfter = time.Hour
	require.NoError(t, r.Launcher.Inbox(t.Context(), in))
	rig.Eventually(t, func() bool {
		return r.InboxStatus(t, id).Settings.AdoptAfter == time.Hour
	})
	require.NoError(t, r.Update(t, id, workflows.UpdateStop, workflows.EndRequest{}))
	require.NoError(t, r.Client.GetWorkflow(t.Context(), id, "").Get(t.Context(), nil))
	return r, id
}

func requireOutcome(t *testing.T, r *rig.Rig, id, want string) {
	t.Helper()
	out, err := r.Outcome(t, id)
	require.NoError(t, err)
	require.Equal(t, want, out.String())
}
