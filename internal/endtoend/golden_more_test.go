package endtoend_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/pulsetest"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/tools"
	"github.com/parley-run/parley/workflows"
)

func goldenTools(t *testing.T) (*rig.Rig, string) {
	box := rig.NewToolbox([]string{"look", "book"}, "book")
	r, gate, _, id := equipped(t, box, conversation.Policy{}, 5)
	gate.Asked(t).Answer(t, rig.CallsTools("look", "book"))
	requireState(t, r, id, workflows.StateNeedsApproval)
	require.NoError(t, r.Approve(t, id, workflows.ApproveRequest{}))
	gate.Asked(t).Answer(t, rig.CallsTools("book"))
	requireState(t, r, id, workflows.StateNeedsApproval)
	require.NoError(t, r.Approve(t, id, workflows.ApproveRequest{Deny: true, Reason: "golden"}))
	gate.Asked(t).Reply(t)
	gate.Asked(t).Reply(t)
	requireOutcome(t, r, id, "ended by turn limit")
	return r, id
}

// A reply is cut off and continued, a request does not fit and shrinks, and the newest
// message alone does not fit until an operator resumes.
func goldenLength(t *testing.T) (*rig.Rig, string) {
	r, gate, _, id := equipped(t, rig.NewToolbox(nil), conversation.Policy{OnLength: conversation.ContinueCutOff}, 7)
	gate.Asked(t).Answer(t, executors.Result{
		Message: conversation.Text(conversation.RoleAssistant, "Your order number 1042 will"), FinishReason: executors.FinishLength,
	})
	rest := gate.Asked(t)
	require.Len(t, rest.Messages, 3)
	rest.Answer(t, executors.Result{Message: conversation.Text(conversation.RoleAssistant, "arrive."), FinishReason: executors.FinishStop})
	second := gate.Asked(t)
	require.Equal(t, "Your order number 1042 will arrive.", second.Messages[1].Text())
	second.Fail(t, fault(conversation.ContextTooLong, ""))
	less := gate.Asked(t)
	require.Less(t, len(less.Messages), len(second.Messages))
	less.Reply(t)
	gate.Asked(t).Fail(t, fault(conversation.ContextTooLong, ""))
	requireState(t, r, id, workflows.StateNeedsAttention)
	require.NoError(t, r.Update(t, id, workflows.UpdateResume, workflows.ResumeRequest{}))
	gate.Asked(t).Reply(t)
	requireOutcome(t, r, id, "ended by turn limit")
	return r, id
}

// Two calls are lost: one is made again, because an operator says so, the other is not.
func goldenToolsLost(t *testing.T) (*rig.Rig, string) {
	box := rig.NewToolbox([]string{"book", "look"}, "book")
	lost := make(chan struct{}, 1)
	box.OnCall = func(_ context.Context, call tools.Call) (tools.Result, error) {
		if call.Name == "book" {
			select {
			case lost <- struct{}{}:
			default:
				return tools.Result{Content: "booked"}, nil
			}
		}
		return tools.Result{}, &conversation.Error{Kind: conversation.Unavailable, Op: "tool", Err: errors.New("cut off"), Ambiguous: true}
	}
	r, gate, _, id := equipped(t, box, conversation.Policy{}, 3)
	gate.Asked(t).Answer(t, rig.CallsTools("book", "look"))
	requireState(t, r, id, workflows.StateNeedsApproval)
	require.NoError(t, r.Approve(t, id, workflows.ApproveRequest{By: "ada@desk"}))
	rig.Eventually(t, func() bool {
		waiting := r.Status(t, id).Approvals
		return len(waiting) == 1 && waiting[0].Lost != ""
	})
	require.NoError(t, r.Approve(t, id, workflows.ApproveRequest{By: "ada@desk"}))
	ask := gate.Asked(t)
	results := toolResults(ask.Messages)
	require.Equal(t, "booked", results[0].Content)
	require.Contains(t, results[1].Content, "the outcome of the call is unknown")
	ask.Reply(t)
	requireOutcome(t, r, id, "ended by turn limit")
	return r, id
}

func goldenToolsTakenOver(t *testing.T) (*rig.Rig, string) {
	r, gate, _, id := equipped(t, rig.NewToolbox([]string{"pay", "look"}, "pay"), conversation.Policy{}, 5)
	gate.Asked(t).Answer(t, rig.CallsTools("pay", "look"))
	requireState(t, r, id, workflows.StateNeedsApproval)
	require.NoError(t, r.Update(t, id, workflows.UpdateTakeover, workflows.TakeoverRequest{Text: "by hand", By: "ada@desk"}))
	gate.Asked(t).Reply(t)
	requireOutcome(t, r, id, "ended by turn limit")
	return r, id
}

func goldenToolsTimedOut(t *testing.T) (*rig.Rig, string) {
	box := rig.NewToolbox([]string{"book"}, "book")
	r, gate, _, id := equipped(t, box, conversation.Policy{ApprovalTimeout: time.Second}, 3)
	gate.Asked(t).Answer(t, rig.CallsTools("book"))
	gate.Asked(t).Reply(t)
	requireOutcome(t, r, id, "ended by turn limit")
	return r, id
}

func goldenBudget(t *testing.T) (*rig.Rig, string) {
	r, gate, ref := gated(t, 5)
	id := r.StartWith(t, workflows.ConversationInput{Ref: ref, Policy: conversation.Policy{Executor: rig.ExecutorName, MaxTokens: 10}})
	costly := executors.Result{Message: conversation.Text(conversation.RoleAssistant, "dear"), Usage: conversation.Usage{InputTokens: 9, OutputTokens: 3}}
	gate.Asked(t).Answer(t, costly)
	requireState(t, r, id, workflows.StateNeedsAttention)
	require.NoError(t, r.Update(t, id, workflows.UpdateResume, workflows.ResumeRequest{}))
	gate.Asked(t).Answer(t, costly)
	requireOutcome(t, r, id, "ended by turn limit")
	return r, id
}

func goldenDirect(t *testing.T) (*rig.Rig, string) {
	r := rig.New(t, localstacktest.Client(t), rig.Options{Executor: &parrot{}})
	r.StartWorker(t)
	d := directly(r, "golden", conversation.Policy{RunTurns: 2})
	for i := range 2 {
		_, err := r.Launcher.Send(t.Context(), d, say(fmt.Sprint(i), "one after the other"))
		require.NoError(t, err)
	}
	var all errgroup.Group
	for i := range 3 {
		all.Go(func() error {
			_, err := r.Launcher.Send(t.Context(), d, say(fmt.Sprint("at once ", i), "at once"))
			return err
		})
	}
	require.NoError(t, all.Wait())
	_, err := r.Launcher.Send(t.Context(), d, say("last", "bye"))
	require.NoError(t, err)
	return r, workflows.ConversationID(d.Input.Ref)
}

func goldenDirectIdle(t *testing.T) (*rig.Rig, string) {
	r := rig.New(t, localstacktest.Client(t), rig.Options{Executor: &parrot{}})
	r.StartWorker(t)
	d := directly(r, "golden-idle", conversation.Policy{})
	d.Input.IdleTimeout = time.Second
	_, err := r.Launcher.Send(t.Context(), d, say("0", "hello"))
	require.NoError(t, err)
	id := workflows.ConversationID(d.Input.Ref)
	requireOutcome(t, r, id, "expired")
	return r, id
}

// aTask goes through one of Pulse's tasks.
func aTask(t *testing.T, executor executors.Executor, entrypoint string, during func(*pulseRig, string)) (*rig.Rig, string) {
	r := newPulseRig(t, pulsetest.Config{}, executor)
	r.start(t)
	r.poll(t)
	task := r.task(entrypoint, map[string]any{"callback_url": r.received.url})
	id := r.stand.Add(task)
	if during != nil {
		during(r, id)
	}
	_, _ = r.outcome(t, id)
	return ofTask(r, id, task)
}

func ofTask(r *pulseRig, id string, task pulsetest.Schedule) (*rig.Rig, string) {
	return &rig.Rig{Client: r.client, Name: r.name, Launcher: launch.Launcher{Client: r.client}}, fmt.Sprintf("%s//%s@%d", r.name, id, task.At.Unix())
}

func goldenTaskUnclear(t *testing.T) (*rig.Rig, string) {
	r := newPulseRig(t, pulsetest.Config{}, &summariser{})
	r.stand.Fail(pulsetest.Fault{Op: pulsetest.OpGet, Skip: 1, Times: 1, Status: http.StatusInternalServerError})
	r.start(t)
	r.pollWith(t, workflows.InboxInput{Platform: r.name, Settings: workflows.InboxSettings{
		Interval: 100 * time.Millisecond,
		Policy:   conversation.Policy{Executor: "agent", PlatformAttempts: 1, OnExhausted: conversation.EndConversation},
	}})
	task := r.task("main", map[string]any{"callback_url": r.received.url})
	id := r.stand.Add(task)
	_, err := r.outcome(t, id)
	require.ErrorContains(t, err, "claim failed")
	require.Len(t, r.stand.Acks(id), 1)
	return ofTask(r, id, task)
}

func goldenTaskTooLarge(t *testing.T) (*rig.Rig, string) {
	r := newPulseRig(t, pulsetest.Config{}, &summariser{})
	r.start(t)
	r.poll(t)
	task := r.task("main", map[string]any{"callback_url": r.received.url})
	task.Payload.(map[string]any)["params"] = strings.Repeat("x", conversation.MaxTask)
	id := r.stand.Add(task)
	_, err := r.outcome(t, id)
	require.ErrorContains(t, err, "size of the task")
	return ofTask(r, id, task)
}

func goldenTask(t *testing.T) (*rig.Rig, string) { return aTask(t, &summariser{}, "main", nil) }

func goldenTaskFailed(t *testing.T) (*rig.Rig, string) { return aTask(t, &summariser{}, "broken", nil) }

func goldenTaskCancelled(t *testing.T) (*rig.Rig, string) {
	agent := idler{begun: make(chan struct{}, 9), ended: make(chan error, 9)}
	return aTask(t, agent, "main", func(r *pulseRig, id string) {
		<-agent.begun
		r.stand.Cancel(id)
		require.Error(t, <-agent.ended)
	})
}

func goldenPersonaFunction(t *testing.T) (*rig.Rig, string) {
	r := newIIIRig(t, iii.EraC, &parrot{})
	r.start(t, nil)
	r.ready(t)
	w := r.caller(t)
	p := &personas{}
	p.serve(t, w, "my fern is brown", object{"message": "thanks", "ended": true})
	begun := mustCall(t, w, "conversation::start", object{"conversationId": "golden", "personaFunction": "persona::ada"})
	id := begun["workflowId"].(string)
	at := &rig.Rig{Client: r.client}
	requireOutcome(t, at, id, "ended by persona")
	return at, id
}

// The run was reset to where its agent had not spoken yet.
func goldenReset(t *testing.T) (*rig.Rig, string) {
	r, gate, ref := gated(t, 7)
	id := r.Start(t, ref)
	gate.Asked(t).Reply(t)
	gate.Asked(t).Reply(t)
	gate.Asked(t)
	run := runOf(t, r.Client, id)
	reset(t, r.Client, id, run, resetPoints(t, r.Client, id, run)[3])
	gate.Asked(t).Reply(t)
	requireOutcome(t, r, id, "ended by turn limit")
	return r, id
}

// Another speaks for the agent between its messages, and an operator resumes.
func goldenDiverged(t *testing.T) (*rig.Rig, string) {
	r, gate, ref := gated(t, 9)
	id := r.Start(t, ref)
	gate.Asked(t).Reply(t)
	ask := gate.Asked(t)
	_, err := r.Platform.Send(t.Context(), ref, platforms.Send{Messages: []conversation.Message{conversation.Text(conversation.RoleAssistant, "another")}})
	require.NoError(t, err)
	ask.Reply(t)
	status := requireState(t, r, id, workflows.StateNeedsAttention)
	require.Equal(t, conversation.Diverged, status.Attention.Kind)
	require.NoError(t, r.Update(t, id, workflows.UpdateResume, workflows.ResumeRequest{}))
	gate.Waiting(t).Reply(t) // the reply before was not needed any more
	requireOutcome(t, r, id, "ended by turn limit")
	return r, id
}
