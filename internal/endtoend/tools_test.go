package endtoend_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/tools"
	"github.com/parley-run/parley/workflows"
)

// equipped starts one endless conversation of an agent with tools.
func equipped(t *testing.T, box *rig.Toolbox, policy conversation.Policy, maxTurns int) (*rig.Rig, *rig.Gate, conversation.Ref, string) {
	t.Helper()
	gate := rig.NewGate()
	policy.Tools = []string{rig.ToolSet}
	r := rig.New(t, localstacktest.Client(t), rig.Options{
		Sim: sim.Config{Player: rig.Endless{}}, Setup: sim.Setup{Conversations: 1, MaxTurns: maxTurns},
		Executor: gate, Policy: policy, Tools: box,
	})
	r.StartWorker(t)
	ref := r.Waiting(t)[0].Ref
	return r, gate, ref, r.Start(t, ref)
}

func toolResults(messages []conversation.Message) []conversation.ToolResult {
	var out []conversation.ToolResult
	for _, m := range messages {
		for _, p := range m.Parts {
			if p.ToolResult != nil {
				out = append(out, *p.ToolResult)
			}
		}
	}
	return out
}

func TestToolCallsOfARound(t *testing.T) {
	t.Parallel()
	both := make(chan struct{}, 2)
	box := rig.NewToolbox([]string{"look", "book"})
	box.OnCall = func(ctx context.Context, call tools.Call) (tools.Result, error) {
		both <- struct{}{}
		for len(both) < 2 { // in parallel, or it never ends
			select {
			case <-ctx.Done():
				return tools.Result{}, ctx.Err()
			case <-time.After(10 * time.Millisecond):
			}
		}
		return tools.Result{Content: call.Name + " done"}, nil
	}
	r, gate, ref, id := equipped(t, box, conversation.Policy{}, 5)
	ask := gate.Asked(t)
	require.Len(t, ask.Tools, 2)
	ask.Answer(t, rig.CallsTools("look", "book", "cook"))
	after := gate.Asked(t)
	require.Equal(t, 1, after.Turn)
	require.Equal(t, 1, after.Round)
	require.NotEqual(t, ask.IdempotencyKey, after.IdempotencyKey)
	require.Equal(t, 3, after.New, "only the results are new")
	require.Len(t, after.Messages, 5)
	results := toolResults(after.Messages)
	require.Equal(t, "look done", results[0].Content)
	require.Equal(t, "book done", results[1].Content)
	require.Contains(t, results[2].Content, `no tool "cook"`)
	require.True(t, results[2].IsError)
	after.Reply(t)
	second := gate.Asked(t)
	require.Len(t, second.Messages, 7, "the executor remembers its calls")
	require.Equal(t, 1, second.New)
	second.Reply(t)
	requireOutcome(t, r, id, "ended by turn limit")
	require.Len(t, texts(t, r, ref), 5, "the platform sees nothing of them")
	require.Len(t, box.Calls(), 2)
	r.RequireOnce(t)
}

// A worker that stops between two calls of a round: what is recorded does not run
// again, what is not runs under the same key.
func TestToolCallsSurviveAWorker(t *testing.T) {
	t.Parallel()
	slow := make(chan struct{}, 10)
	box := rig.NewToolbox([]string{"fast", "slow"})
	box.OnCall = func(ctx context.Context, call tools.Call) (tools.Result, error) {
		if call.Name == "slow" {
			slow <- struct{}{}
			if len(slow) == 1 {
				<-ctx.Done()
				return tools.Result{}, ctx.Err()
			}
		}
		return tools.Result{Content: "done"}, nil
	}
	box.Tools[1].Repeatable = true
	r, gate, _, id := equipped(t, box, conversation.Policy{}, 3)
	gate.Asked(t).Answer(t, rig.CallsTools("fast", "slow"))
	rig.Eventually(t, func() bool {
		desc, err := r.Client.DescribeWorkflowExecution(t.Context(), id, "")
		require.NoError(t, err)
		pending := desc.GetPendingActivities()
		return len(slow) == 1 && len(pending) == 1 // fast is recorded
	})
	r.StopWorkers()
	r.StartWorker(t)
	ask := gate.Asked(t)
	require.Len(t, toolResults(ask.Messages), 2)
	ask.Reply(t)
	requireOutcome(t, r, id, "ended by turn limit")
	counts := map[int]int{}
	for _, n := range box.Calls() {
		counts[n]++
	}
	require.Equal(t, map[int]int{1: 1, 2: 1}, counts, "fast ran once, slow twice under one key")
}

func TestToolApproval(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		policy   conversation.Policy
		decide   *workflows.ApproveRequest
		decision string
		content  string
	}{
		"approved":  {decide: &workflows.ApproveRequest{}, content: `pay says {"n":1}`},
		"refused":   {decide: &workflows.ApproveRequest{Deny: true, Reason: "too much"}, decision: "refused", content: "too much"},
		"timed out": {policy: conversation.Policy{ApprovalTimeout: time.Second}, decision: "timed_out", content: "no operator approved"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			box := rig.NewToolbox([]string{"pay"}, "pay")
			r, gate, _, id := equipped(t, box, tc.policy, 3)
			gate.Asked(t).Answer(t, rig.CallsTools("pay"))
			if tc.decide != nil {
				status := requireState(t, r, id, workflows.StateNeedsApproval)
				require.Equal(t, "pay", status.Approvals[0].Tool)
				require.JSONEq(t, `{"n":1}`, string(status.Approvals[0].Arguments))
				require.ErrorContains(t, r.Update(t, id, workflows.UpdateApprove, workflows.ApproveRequest{CallID: "other"}), "no tool call")
				require.ErrorContains(t, r.Update(t, id, workflows.UpdateApprove, workflows.ApproveRequest{Digest: "other"}), "not the one that was seen")
				tc.decide.By = "ada@desk"
				require.NoError(t, r.Approve(t, id, *tc.decide))
			}
			ask := gate.Asked(t)
			result := toolResults(ask.Messages)[0]
			require.Equal(t, tc.decision, result.Decision)
			require.Len(t, result.Decisions, 1)
			require.Equal(t, tc.decide != nil, result.Decisions[0].By == "ada@desk")
			require.Contains(t, result.Content, tc.content)
			require.Equal(t, tc.decision != "", result.IsError)
			require.Len(t, box.Calls(), map[bool]int{true: 1}[tc.decision == ""])
			ask.Reply(t)
			requireOutcome(t, r, id, "ended by turn limit")
			require.Error(t, r.Update(t, id, workflows.UpdateApprove, workflows.ApproveRequest{}), "it is over")
		})
	}
}

// An operator who takes over answers instead of the agent. The agent learns what became of
// its calls: without that it might make them again.
func TestTakeoverDuringTools(t *testing.T) {
	t.Parallel()
	r, gate, ref, id := equipped(t, rig.NewToolbox([]string{"pay"}, "pay"), conversation.Policy{}, 5)
	gate.Asked(t).Answer(t, rig.CallsTools("pay"))
	requireState(t, r, id, workflows.StateNeedsApproval)
	require.NoError(t, r.Update(t, id, workflows.UpdateTakeover, workflows.TakeoverRequest{Text: "by hand"}))
	ask := gate.Asked(t)
	require.Len(t, ask.Messages, 5)
	require.Equal(t, "the call was interrupted before it was approved: it was not made", toolResults(ask.Messages)[0].Content)
	require.Equal(t, "by hand", ask.Messages[3].Text())
	ask.Reply(t)
	requireOutcome(t, r, id, "ended by turn limit")
	require.Len(t, texts(t, r, ref), 5)
}

func TestToolFaults(t *testing.T) {
	t.Parallel()
	box := rig.NewToolbox([]string{"down", "sour"})
	box.OnCall = func(_ context.Context, call tools.Call) (tools.Result, error) {
		if call.Name == "sour" {
			return tools.Result{Content: "no such order", IsError: true}, nil
		}
		return tools.Result{}, &conversation.Error{Kind: conversation.Unavailable, Op: "tool", Err: errors.New("gone")}
	}
	r, gate, _, id := equipped(t, box, conversation.Policy{ToolAttempts: 2, ToolRounds: 1}, 3)
	gate.Asked(t).Answer(t, rig.CallsTools("down", "sour"))
	last := gate.Asked(t)
	require.Empty(t, last.Tools, "after the last round there are none to call")
	results := toolResults(last.Messages)
	require.Contains(t, results[0].Content, "could not be reached")
	require.Equal(t, "no such order", results[1].Content)
	counts := map[int]int{}
	for _, n := range box.Calls() {
		counts[n]++
	}
	require.Equal(t, map[int]int{1: 1, 2: 1}, counts, "what a tool says is final; a tool that is gone is tried again")
	last.Reply(t)
	requireOutcome(t, r, id, "ended by turn limit")
}

// Tool rounds are carried over continue-as-new, or else read around.
func TestToolsAndContinueAsNew(t *testing.T) {
	t.Parallel()
	r, gate, _, id := equipped(t, rig.NewToolbox([]string{"look"}), conversation.Policy{RunTurns: 1}, 7)
	for turn := 1; turn <= 3; turn++ {
		gate.Asked(t).Answer(t, rig.CallsTools("look"))
		ask := gate.Asked(t)
		require.Len(t, ask.Messages, 4*turn-1)
		ask.Reply(t)
	}
	requireOutcome(t, r, id, "ended by turn limit")
	r.RequireOnce(t)
}

func TestRefusalText(t *testing.T) {
	t.Parallel()
	r, gate, ref, id := equipped(t, rig.NewToolbox(nil), conversation.Policy{RefusalText: "I can't help with that."}, 3)
	gate.Asked(t).Fail(t, fault(conversation.Refused, ""))
	requireOutcome(t, r, id, "ended by turn limit")
	require.Contains(t, texts(t, r, ref), "assistant: I can't help with that.")
}

// What is too long for a provider that keeps the conversation is too long there: it
// is begun anew with less, not continued.
func TestContextTooLongAtTheProvider(t *testing.T) {
	t.Parallel()
	r, gate, _, id := equipped(t, rig.NewToolbox(nil), conversation.Policy{}, 9)
	kept := executors.Result{
		Message: conversation.Text(conversation.RoleAssistant, "kept there"), State: json.RawMessage(`{"response":"r1"}`),
	}
	gate.Asked(t).Answer(t, kept)
	ask := gate.Asked(t)
	require.JSONEq(t, `{"response":"r1"}`, string(ask.State))
	ask.Answer(t, kept)
	ask = gate.Asked(t)
	require.Equal(t, 1, ask.New)
	ask.Fail(t, fault(conversation.ContextTooLong, ""))
	less := gate.Asked(t)
	require.Len(t, less.Messages, 1)
	require.Nil(t, less.State)
	require.Equal(t, 1, less.New)
	require.NotEqual(t, ask.IdempotencyKey, less.IdempotencyKey, "it is another request")
	kept.State = json.RawMessage(`{"response":"r2"}`)
	less.Answer(t, kept)
	after := gate.Asked(t)
	require.JSONEq(t, `{"response":"r2"}`, string(after.State), "the shorter one is continued")
	require.Equal(t, 1, after.New)
	after.Reply(t)
	requireOutcome(t, r, id, "ended by turn limit")
}

// What is too long is tried with less, as often as there is something to leave out. What
// fitted is remembered. Then the conversation parks; an operator who has found a larger
// model resumes it, and everything is sent again.
func TestContextTooLong(t *testing.T) {
	t.Parallel()
	r, gate, _, id := equipped(t, rig.NewToolbox(nil), conversation.Policy{}, 9)
	gate.Asked(t).Reply(t)
	gate.Asked(t).Reply(t)
	ask := gate.Asked(t)
	require.Len(t, ask.Messages, 5)
	ask.Fail(t, fault(conversation.ContextTooLong, ""))
	less := gate.Asked(t)
	require.Equal(t, ask.Messages[4:], less.Messages, "the newest turn")
	less.Reply(t)
	ask = gate.Asked(t)
	require.Len(t, ask.Messages, 1, "what fitted is remembered")
	ask.Fail(t, fault(conversation.ContextTooLong, ""))
	require.Equal(t, conversation.ContextTooLong, requireState(t, r, id, workflows.StateNeedsAttention).Attention.Kind)
	require.NoError(t, r.Update(t, id, workflows.UpdateResume, workflows.ResumeRequest{}))
	ask = gate.Asked(t)
	require.Len(t, ask.Messages, 7)
	ask.Reply(t)
	requireOutcome(t, r, id, "ended by turn limit")
	r.RequireOnce(t)
}
