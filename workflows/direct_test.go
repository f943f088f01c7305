package workflows_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/workflows"
)

func directInput() workflows.ConversationInput {
	in := input("direct")
	in.Side = workflows.SideDirect
	return in
}

// sentMessages are what clients got for their messages, by id.
type sentMessages struct {
	replies map[string][]workflows.SendReply
	errs    map[string][]error
}

func (s *stage) client() *sentMessages {
	return &sentMessages{replies: map[string][]workflows.SendReply{}, errs: map[string][]error{}}
}

func (m *sentMessages) send(s *stage, id string) {
	s.send(id, "hello "+id, func(reply workflows.SendReply, err error) {
		if err != nil {
			m.errs[id] = append(m.errs[id], err)
			return
		}
		m.replies[id] = append(m.replies[id], reply)
	})
}

func (m *sentMessages) errType(t *testing.T, id string) string {
	t.Helper()
	require.Len(t, m.errs[id], 1)
	var app *temporal.ApplicationError
	require.ErrorAs(t, m.errs[id][0], &app)
	return app.Type()
}

// Messages of clients are answered in turn, one after the other, each with its own reply.
func TestDirectMessagesAreAnsweredInTurn(t *testing.T) {
	t.Parallel()
	s, c := newStage(t), newStage(t).client()
	s.reply = func(_ context.Context, _ int, in activities.ReplyInput) (activities.ReplyResult, error) {
		out := says(fmt.Sprint("answer ", in.Turn))
		out.End = in.Turn == 3
		return out, nil
	}
	var queued workflows.Status
	s.after(time.Second, func() {
		for _, id := range []string{"m1", "m2", "m3"} {
			c.send(s, id)
		}
		s.after(0, func() { queued = s.status() })
	})
	s.run(directInput())
	out := s.outcome()
	require.Equal(t, 3, out.Turns)
	require.Equal(t, 6, out.Messages)
	require.Positive(t, queued.Queued)
	for i, id := range []string{"m1", "m2", "m3"} {
		require.Len(t, c.replies[id], 1)
		got := c.replies[id][0]
		require.Equal(t, id, got.ID)
		require.Equal(t, 2*i, got.MessageIndex)
		require.Equal(t, 2*i+1, got.Index)
		require.Equal(t, i+1, got.Turn)
		require.Equal(t, fmt.Sprint("answer ", i+1), got.Message.Text())
		require.Equal(t, i == 2, got.Ended)
	}
}

// A message that is sent again, at whatever time, is the same message.
func TestDirectMessageSentAgain(t *testing.T) {
	t.Parallel()
	s, c := newStage(t), newStage(t).client()
	s.reply = func(_ context.Context, n int, in activities.ReplyInput) (activities.ReplyResult, error) {
		if n == 1 {
			s.after(0, func() { c.send(s, "m1") }) // while it is answered
		}
		out := says(fmt.Sprint("answer ", in.Turn))
		out.End = in.Turn == 2
		return out, nil
	}
	s.after(time.Second, func() { c.send(s, "m1"); c.send(s, "m1") })
	s.after(time.Hour, func() { c.send(s, "m1") })
	s.after(2*time.Hour, func() { c.send(s, "m2") })
	s.run(directInput())
	require.Equal(t, 2, s.outcome().Turns)
	require.Equal(t, 2, s.called(activities.ReplyName))
	require.Len(t, c.replies["m1"], 4)
	for _, reply := range c.replies["m1"] {
		require.Equal(t, c.replies["m1"][0], reply)
	}
}

// What could not be answered is refused, with a type that says what to do.
func TestDirectRefusals(t *testing.T) {
	t.Parallel()
	s, c := newStage(t), newStage(t).client()
	s.after(time.Second, func() {
		s.update(workflows.UpdatePause, workflows.PauseRequest{})
		for i := range 8 {
			c.send(s, fmt.Sprint("m", i))
		}
		s.send("", "hello", func(_ workflows.SendReply, err error) { c.errs["none"] = append(c.errs["none"], err) })
	})
	s.after(time.Minute, func() { s.update(workflows.UpdateEnd, workflows.EndRequest{Reason: "enough"}) })
	s.run(directInput())
	require.Equal(t, conversation.EndedByOperator, s.outcome().EndedBy)
	require.ErrorContains(t, c.errs["none"][0], "needs an id")
	require.Equal(t, workflows.ErrTypeBusy, c.errType(t, "m7"))
	require.ErrorContains(t, c.errs["m7"][0], "7 messages wait")
	require.Equal(t, workflows.ErrTypeOver, c.errType(t, "m0"), "it was accepted, and is answered: there is no reply")
	require.ErrorContains(t, c.errs["m0"][0], "ended by operator; enough")
	require.Zero(t, s.called(activities.ReplyName))
}

// The reply to a message of long ago is in the transcript alone.
func TestDirectReplyIsForgotten(t *testing.T) {
	t.Parallel()
	s, c := newStage(t), newStage(t).client()
	s.reply = func(_ context.Context, n int, in activities.ReplyInput) (activities.ReplyResult, error) {
		out := says(strings.Repeat("x", 100<<10))
		out.End = in.Turn == 3
		return out, nil
	}
	for i, id := range []string{"m1", "m2", "m1", "m3"} {
		s.after(time.Duration(i+1)*time.Hour, func() { c.send(s, id) })
	}
	s.run(directInput())
	s.outcome()
	require.Equal(t, workflows.ErrTypeForgotten, c.errType(t, "m1"))
	require.ErrorContains(t, c.errs["m1"][0], "answered in turn 1")
}

// A conversation that no client goes on with expires, unless it must not.
func TestDirectIdles(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		timeout time.Duration
		want    conversation.OutcomeKind
		after   time.Duration
	}{
		"default": {0, conversation.OutcomeExpired, workflows.DefaultIdleTimeout},
		"short":   {time.Minute, conversation.OutcomeExpired, time.Minute},
		"never":   {-1, conversation.OutcomeEnded, 100 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			begin := s.env.Now()
			s.after(100*time.Hour, func() { s.update(workflows.UpdateEnd, workflows.EndRequest{}) })
			in := directInput()
			in.IdleTimeout = tt.timeout
			s.run(in)
			require.Equal(t, tt.want, s.outcome().Kind)
			require.Equal(t, tt.after, s.env.Now().Sub(begin).Round(time.Second))
		})
	}
}

// The agent may open a conversation; its message answers no update.
func TestDirectAgentFirst(t *testing.T) {
	t.Parallel()
	s, c := newStage(t), newStage(t).client()
	s.reply = func(_ context.Context, _ int, in activities.ReplyInput) (activities.ReplyResult, error) {
		if in.Turn == 1 {
			require.Empty(t, in.New)
			return says("can I help?"), nil
		}
		return activities.ReplyResult{End: true}, nil // without a message
	}
	s.after(time.Second, func() { c.send(s, "m1") })
	in := directInput()
	in.Start = &workflows.Start{Context: conversation.Context{AgentFirst: true}}
	s.run(in)
	out := s.outcome()
	require.Equal(t, 2, out.Turns)
	require.Equal(t, 2, out.Messages)
	require.Len(t, c.replies["m1"], 1)
	require.True(t, c.replies["m1"][0].Ended)
	require.Empty(t, c.replies["m1"][0].Message.Parts)
}

// Messages that come while the conversation is paused are answered once it is resumed, and
// the last turn's reply says that it was the last.
func TestDirectPaused(t *testing.T) {
	t.Parallel()
	s, c := newStage(t), newStage(t).client()
	s.after(time.Second, func() { s.update(workflows.UpdatePause, workflows.PauseRequest{Reason: "lunch"}) })
	s.after(time.Minute, func() { c.send(s, "m1") })
	s.after(time.Hour, func() {
		status := s.status()
		require.Equal(t, workflows.StatePaused, status.State)
		require.Equal(t, "paused; lunch", status.Attention.Reason)
		require.Equal(t, 1, status.Queued)
		require.Zero(t, s.called(activities.ReplyName))
		s.update(workflows.UpdateResume, workflows.ResumeRequest{})
	})
	in := directInput()
	in.Policy.MaxTurns = 1
	s.run(in)
	require.Equal(t, conversation.OutcomeBudgetSpent, s.outcome().Kind)
	require.True(t, c.replies["m1"][0].Ended)
}

// A message that was accepted before the conversation was cancelled has an answer.
func TestDirectCancelled(t *testing.T) {
	t.Parallel()
	s, c := newStage(t), newStage(t).client()
	s.reply = func(ctx context.Context, _ int, _ activities.ReplyInput) (activities.ReplyResult, error) {
		s.after(0, s.env.CancelWorkflow)
		return activities.ReplyResult{}, hang(ctx)
	}
	s.after(time.Second, func() { c.send(s, "m1"); c.send(s, "m2") })
	s.run(directInput())
	require.True(t, temporal.IsCanceledError(s.env.GetWorkflowError()))
	for _, id := range []string{"m1", "m2"} {
		require.Equal(t, workflows.ErrTypeOver, c.errType(t, id))
		require.ErrorContains(t, c.errs[id][0], "cancelled")
	}
}
