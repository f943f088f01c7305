package endtoend_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/pulsetest"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/platforms/pulse"
	"github.com/parley-run/parley/workflows"
)

// resetPoints are the events of a run that it can be reset to, oldest first.
func resetPoints(t *testing.T, c client.Client, id, runID string) []int64 {
	t.Helper()
	var points []int64
	events := c.GetWorkflowHistory(t.Context(), id, runID, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(t, err)
		if event.GetEventType() == enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
			points = append(points, event.GetEventId())
		}
	}
	return points
}

// reset resets a run as `temporal workflow reset` does, and returns the new run.
func reset(t *testing.T, c client.Client, id, runID string, event int64) string {
	t.Helper()
	out, err := c.ResetWorkflowExecution(t.Context(), &workflowservice.ResetWorkflowExecutionRequest{
		Namespace: "default", WorkflowExecution: &common.WorkflowExecution{WorkflowId: id, RunId: runID},
		Reason: "test", WorkflowTaskFinishEventId: event, RequestId: fmt.Sprint(runID, "/", event),
	})
	require.NoError(t, err)
	return out.GetRunId()
}

func outcomeOf(t *testing.T, c client.Client, id, runID string) conversation.Outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), rig.Patience)
	defer cancel()
	var out conversation.Outcome
	require.NoError(t, c.GetWorkflow(ctx, id, runID).Get(ctx, &out))
	return out
}

// A conversation that has ended on its platform stays ended, to whatever point its
// workflow is reset: nothing is bought or sent again.
func TestResetOfAnEndedConversation(t *testing.T) {
	t.Parallel()
	r := rig.New(t, localstacktest.Client(t), rig.Options{Setup: sim.Setup{Conversations: 1}, Policy: conversation.Policy{RunTurns: 2}})
	ref := r.Waiting(t)[0].Ref
	r.StartWorker(t)
	id := r.Start(t, ref)
	first := runOf(t, r.Client, id)
	want, err := r.Outcome(t, id)
	require.NoError(t, err)
	bought := len(r.Fake.Requests())
	transcript, err := r.Platform.Transcript(t.Context(), ref)
	require.NoError(t, err)
	// A run in the middle of a chain, and one that was reset, can be reset too.
	runs := []string{first, runOf(t, r.Client, id)}
	for i := 0; i < len(runs) && i < 3; i++ {
		for _, point := range resetPoints(t, r.Client, id, runs[i]) {
			run := reset(t, r.Client, id, runs[i], point)
			out := outcomeOf(t, r.Client, id, run)
			require.Equal(t, conversation.OutcomeEnded, out.Kind, "run %d, event %d: %s", i, point, out.Detail)
			require.Equal(t, want.EndedBy, out.EndedBy, "run %d, event %d", i, point)
			require.Equal(t, want.Turns, out.Turns, "run %d, event %d", i, point)
			require.Equal(t, want.Messages, out.Messages, "run %d, event %d", i, point)
			if i == 1 && len(runs) == 2 {
				runs = append(runs, run)
			}
		}
	}
	require.Len(t, r.Fake.Requests(), bought, "nothing was bought again")
	after, err := r.Platform.Transcript(t.Context(), ref)
	require.NoError(t, err)
	require.Equal(t, transcript, after)
	r.RequireOnce(t)
}

func runOf(t *testing.T, c client.Client, id string) string {
	t.Helper()
	d, err := c.DescribeWorkflowExecution(t.Context(), id, "")
	require.NoError(t, err)
	return d.GetWorkflowExecutionInfo().GetExecution().GetRunId()
}

// A conversation that is going on continues from what the platform holds, to whatever
// point its workflow is reset, and its transcript stays linear.
func TestResetInTheMiddle(t *testing.T) {
	t.Parallel()
	const turns = 4
	for point := range 100 {
		gate := rig.NewGate()
		r := rig.New(t, localstacktest.Client(t), rig.Options{
			Sim: sim.Config{Player: rig.Endless{}}, Setup: sim.Setup{Conversations: 1, MaxTurns: 2*turns + 1}, Executor: gate,
		})
		ref := r.Waiting(t)[0].Ref
		r.StartWorker(t)
		id := r.Start(t, ref)
		keys := map[string]bool{}
		ask := gate.Asked(t)
		for range 2 {
			keys[ask.IdempotencyKey] = true
			ask.Reply(t)
			ask = gate.Asked(t)
		}
		require.Equal(t, 3, ask.Turn)
		keys[ask.IdempotencyKey] = true
		// The third reply is under way, and is given up by the reset.
		run := runOf(t, r.Client, id)
		points := resetPoints(t, r.Client, id, run)
		if point >= len(points) {
			break
		}
		reset(t, r.Client, id, run, points[point])
		for turn := 3; turn <= turns; turn++ {
			ask := gate.Asked(t)
			require.Equal(t, turn, ask.Turn, "reset to event %d", points[point])
			require.Len(t, ask.Messages, 2*turn-1)
			require.NotContains(t, keys, ask.IdempotencyKey, "a key of the run before")
			ask.Reply(t)
		}
		out, err := r.Outcome(t, id)
		require.NoError(t, err)
		require.Equal(t, turns, out.Turns)
		transcript, err := r.Platform.Transcript(t.Context(), ref)
		require.NoError(t, err)
		require.Equal(t, len(transcript.Messages), out.Messages)
		for i, m := range transcript.Messages {
			require.Equal(t, i%2 == 1, m.Role == conversation.RoleAssistant, "the transcript is not linear")
		}
		r.RequireOnce(t)
		r.StopWorkers()
	}
}

// What must run at most once is not run again unseen by a run that was reset.
func TestResetOfWhatRunsAtMostOnce(t *testing.T) {
	t.Parallel()
	fake := &executortest.Fake{}
	r := rig.New(t, localstacktest.Client(t), rig.Options{
		Sim: sim.Config{Player: rig.Endless{}}, Setup: sim.Setup{Conversations: 1, MaxTurns: 5}, Executor: onceOnly{fake},
	})
	ref := r.Waiting(t)[0].Ref
	r.StartWorker(t)
	id := r.StartWith(t, workflows.ConversationInput{Ref: ref, Policy: conversation.Policy{Executor: rig.ExecutorName, MaxTurns: 1}})
	_, err := r.Outcome(t, id)
	require.NoError(t, err)
	require.Len(t, fake.Requests(), 1)
	run := runOf(t, r.Client, id)
	reset(t, r.Client, id, run, resetPoints(t, r.Client, id, run)[0])
	out, err := r.Outcome(t, id)
	require.NoError(t, err)
	require.Equal(t, 1, out.Turns)
	require.Len(t, fake.Requests(), 1)
	require.False(t, strings.Contains(out.Detail, "claim"), out.Detail)
}

type onceOnly struct{ executors.Executor }

func (onceOnly) AtMostOnce() bool { return true }

// A task that has been acknowledged is not run again, to whatever point its workflow is
// reset, and neither its callback nor its platform is told a second time.
func TestResetOfATask(t *testing.T) {
	t.Parallel()
	for _, stage := range []pulse.Stage{pulse.StageA, pulse.StageC} {
		t.Run(string(stage), func(t *testing.T) {
			t.Parallel()
			agent := &summariser{}
			r := newPulseRig(t, pulsetest.Config{Stage: stage}, agent)
			r.start(t)
			r.poll(t)
			task := r.stand.Add(r.task("main", map[string]any{"callback_url": r.received.url}))
			want, err := r.outcome(t, task)
			require.NoError(t, err)
			id := fmt.Sprintf("%s//%s@%d", r.name, task, want.Task.ScheduledFor.Unix())
			run := runOf(t, r.client, id)
			points := resetPoints(t, r.client, id, run)
			for _, point := range points {
				again := reset(t, r.client, id, run, point)
				out := outcomeOf(t, r.client, id, again)
				require.NotEqual(t, conversation.OutcomeFailed, out.Kind, "event %d: %s", point, out.Detail)
				if point == points[len(points)-1] {
					out.Duration = want.Duration // it is closed later
					require.Equal(t, want, out, "it was over, but for its close")
					continue
				}
				require.Contains(t, out.Detail, "reset", "event %d", point)
			}
			require.EqualValues(t, 1, agent.runs.Load())
			require.Len(t, r.stand.Acks(task), 1)
			keys, _ := r.received.seen()
			require.Len(t, keys, 1)
		})
	}
}

// held is a persona whose first answer to the agent waits until it is let go.
type held struct {
	rig.Endless
	asked, answer chan struct{}
	once          *sync.Once
}

func (h held) Reply(ctx context.Context, turn sim.PersonaTurn) (string, bool, error) {
	if len(turn.Messages) > 0 {
		h.once.Do(func() {
			close(h.asked)
			<-h.answer
		})
	}
	return h.Endless.Reply(ctx, turn)
}

// A message that is under way when its workflow is reset arrives, and is waited for:
// nothing is said twice, and the persona is not asked twice.
func TestResetWhileAMessageIsUnderWay(t *testing.T) {
	t.Parallel()
	gate, persona := rig.NewGate(), held{asked: make(chan struct{}), answer: make(chan struct{}), once: &sync.Once{}}
	r := rig.New(t, localstacktest.Client(t), rig.Options{
		Sim: sim.Config{Player: persona}, Setup: sim.Setup{Conversations: 1, MaxTurns: 5}, Executor: gate, Settle: 5 * time.Second,
	})
	r.StartWorker(t)
	id := r.Start(t, r.Waiting(t)[0].Ref)
	gate.Asked(t).Reply(t)
	<-persona.asked
	run := runOf(t, r.Client, id)
	points := resetPoints(t, r.Client, id, run)
	reset(t, r.Client, id, run, points[len(points)-2]) // before the reply
	rig.Eventually(t, func() bool { return strings.Contains(r.Status(t, id).Step, "may still arrive") })
	close(persona.answer)
	ask := gate.Asked(t)
	require.Equal(t, 2, ask.Turn)
	require.Len(t, ask.Messages, 3)
	ask.Reply(t)
	out, err := r.Outcome(t, id)
	require.NoError(t, err)
	require.Equal(t, 2, out.Turns)
	r.RequireOnce(t)
}
