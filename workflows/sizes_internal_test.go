package workflows

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
)

// maxPayload is what Temporal takes in one payload, less what encryption adds.
const maxPayload = 2<<20 - 2<<10

// The input of the next run fits into one payload, whatever the largest parts are.
func TestNextInputFits(t *testing.T) {
	t.Parallel()
	const large = 760 << 10
	story := strings.Repeat("s", maxStart-(1<<10))
	for name, prepare := range map[string]func(r *run, d *directSide){
		"a large context": func(r *run, d *directSide) {
			r.about.Persona.Story = story
			r.in.Start = &Start{Context: r.about, Messages: []conversation.Message{user(strings.Repeat("m", large))}}
			r.transcript.received(user(strings.Repeat("m", 500<<10)))
			r.transcript.seen()
			r.transcript.sent(&reply{message: assistant(strings.Repeat("a", large))})
			d.mailbox.current = "m1"
			d.mailbox.answer(SendReply{Message: assistant(strings.Repeat("a", large))})
		},
		"answers of operators": func(r *run, _ *directSide) {
			for range 8 { // none of it has the executor seen
				r.transcript.received(user(strings.Repeat("m", 500<<10)))
				r.transcript.sent(&reply{message: assistant(strings.Repeat("a", 500<<10)), byOperator: true})
			}
			r.agent.state = json.RawMessage(`"of the provider"`)
		},
		"many ids": func(r *run, d *directSide) {
			r.about.Persona.Story = story
			for i := range keptAnswers {
				d.mailbox.keep(SendReply{ID: fmt.Sprintf("%0*d", maxSendID, i), Turn: i, Message: assistant("a")})
			}
			r.transcript.received(user("m"))
			r.transcript.seen()
			r.transcript.sent(&reply{message: assistant(strings.Repeat("a", large))})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &run{in: ConversationInput{Side: SideDirect}.WithDefaults()}
			r.policy = r.in.Policy
			r.choose()
			prepare(r, r.side.(*directSide))
			before := r.transcript
			in := r.nextInput()
			require.Less(t, recordedSize(in), maxPayload)
			require.NotEmpty(t, in.Carried.Messages)
			require.Equal(t, Edition, in.Edition)
			require.NoError(t, in.Validate())

			next := &run{}
			next.transcript = transcript{Transcript: in.Transcript(), unseen: in.Carried.New, digest: in.Carried.Digest}
			require.Equal(t, before.Next, next.transcript.Next)
			require.Equal(t, before.Turns, next.transcript.Turns)
			_, messages := next.transcript.Tail()
			require.Len(t, messages, len(in.Carried.Messages))
			if left := before.unseen - in.Carried.New; left > 0 {
				require.Empty(t, in.Carried.State, "the executor is given all anew")
				all := before.new()
				require.Equal(t, activities.Digest(before.digest, all[:left]...), in.Carried.Digest)
			} else {
				require.Equal(t, before.digest, in.Carried.Digest)
			}
		})
	}
}

// What an executor has not seen may be more than fits into one input: the rest is read as
// what came before.
func TestReplyInputFits(t *testing.T) {
	t.Parallel()
	r := &run{in: ConversationInput{Side: SideDirect}.WithDefaults()}
	r.choose()
	for range 5 {
		r.transcript.received(user(strings.Repeat("m", 500<<10)))
	}
	in := r.replyInput(0)
	require.Less(t, recordedSize(in), maxPayload)
	require.Len(t, in.New, 2)
	require.Equal(t, 3, in.Before)
	require.True(t, in.Anew)
	require.Equal(t, activities.Digest("", r.transcript.new()[:3]...), in.Digest)

	r.transcript.seen()
	r.transcript.received(user("short"))
	in = r.replyInput(0)
	require.Len(t, in.New, 1)
	require.Equal(t, 5, in.Before)
	require.False(t, in.Anew)
	require.Equal(t, r.transcript.digest, in.Digest)
}

func TestStartCheckSize(t *testing.T) {
	t.Parallel()
	large := conversation.Context{Metadata: json.RawMessage(`"` + strings.Repeat("x", maxStart) + `"`)}
	require.NoError(t, (*Start)(nil).CheckSize())
	require.NoError(t, (&Start{Messages: []conversation.Message{user("hello")}}).CheckSize())
	err := (&Start{Context: large}).CheckSize()
	require.ErrorContains(t, err, "context and messages have 640 KiB as JSON; at most 640 are possible")
	require.True(t, conversation.IsKind(err, conversation.Invalid))
	task := large
	task.Task = &conversation.Task{}
	require.NoError(t, (&Start{Context: task}).CheckSize(), "a task does not continue as new")
}

// A run rolls over at a size of its own, and not at another in a history of before.
func TestHistoryIsLong(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		edition, events, bytes int
		suggested, long, full  bool
	}{
		"short":        {edition: 1, events: 100, bytes: 1000},
		"suggested":    {events: 100, suggested: true, long: true},
		"events":       {edition: 1, events: maxRunEvents + 1, long: true},
		"bytes":        {edition: 1, bytes: maxRunHistory + 1, long: true},
		"before":       {events: maxRunEvents + 1, bytes: maxRunHistory + 1},
		"a full turn":  {events: maxTurnEvents + 1, full: true},
		"a large turn": {bytes: maxTurnHistory + 1, full: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var suite testsuite.WorkflowTestSuite
			env := suite.NewTestWorkflowEnvironment()
			env.SetCurrentHistoryLength(row.events)
			env.SetCurrentHistorySize(row.bytes)
			env.SetContinueAsNewSuggested(row.suggested)
			env.ExecuteWorkflow(func(ctx workflow.Context) error {
				r := &run{in: ConversationInput{Edition: row.edition}}
				require.Equal(t, row.long, r.historyIsLong(workflow.GetInfo(ctx)))
				require.Equal(t, row.full, historyIsFull(ctx))
				return nil
			})
			require.NoError(t, env.GetWorkflowError())
		})
	}
}

// An operator cannot resume a turn whose history is almost what Temporal takes.
func TestFullTurnIsNotResumed(t *testing.T) {
	t.Parallel()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.SetCurrentHistoryLength(maxResumedEvents + 1)
	env.ExecuteWorkflow(func(ctx workflow.Context) error {
		r := &run{attention: &Attention{}}
		require.ErrorContains(t, r.validateResume(ctx, ResumeRequest{}), "take it over or end the conversation")
		r = &run{wishes: wishes{paused: &Attention{}}}
		require.NoError(t, r.validateResume(ctx, ResumeRequest{}), "paused between turns: it rolls over")
		return nil
	})
	require.NoError(t, env.GetWorkflowError())
}
