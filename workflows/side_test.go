package workflows_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/workflows"
)

var aTask = &workflows.Start{Context: conversation.Context{Task: &conversation.Task{}}}

// Each side makes its own requests of the platform, and no others.
func TestSides(t *testing.T) {
	t.Parallel()
	const claim, read, reply, exchange, end, report = activities.ClaimName, activities.ContextName, activities.ReplyName,
		activities.ExchangeName, activities.EndName, activities.ReportName
	for name, tt := range map[string]struct {
		in    workflows.ConversationInput
		setup func(*stage)
		calls []string
	}{
		"platform": {in: workflows.ConversationInput{Side: workflows.SidePlatform}, calls: []string{claim, read, exchange, reply}},
		"platform, adopted": {
			in: workflows.ConversationInput{Side: workflows.SidePlatform, Adopt: true}, calls: []string{read, exchange, reply},
		},
		"platform, ended by the agent": {
			in: workflows.ConversationInput{Side: workflows.SidePlatform}, setup: (*stage).agentEnds, calls: []string{claim, read, exchange, reply, end},
		},
		"transport": {
			in: workflows.ConversationInput{Side: workflows.SideTransport, Start: &workflows.Start{}}, calls: []string{exchange, reply},
		},
		"transport, ended by the agent": {
			in:    workflows.ConversationInput{Side: workflows.SideTransport, Start: &workflows.Start{}},
			setup: (*stage).agentEnds, calls: []string{exchange, reply},
		},
		"direct": {
			in: workflows.ConversationInput{Side: workflows.SideDirect},
			setup: func(s *stage) {
				s.agentEnds()
				s.after(time.Second, func() { s.update(workflows.UpdateSend, workflows.SendRequest{ID: "m1", Text: "hello"}) })
			},
			calls: []string{reply},
		},
		"task": {in: workflows.ConversationInput{Side: workflows.SideTask}, setup: (*stage).hasTask, calls: []string{claim, read, reply, report}},
		"task, adopted": {
			in: workflows.ConversationInput{Side: workflows.SideTask, Adopt: true}, setup: (*stage).hasTask, calls: []string{claim, read, reply, report},
		},
		"task of this workflow alone": {in: workflows.ConversationInput{Side: workflows.SideTask, Start: aTask}, calls: []string{reply}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			if tt.setup != nil {
				tt.setup(s)
			}
			tt.in.Ref = conversation.Ref{Platform: "mem", ID: "c"}
			s.run(tt.in)
			require.Equal(t, conversation.OutcomeEnded, s.outcome().Kind)
			for _, name := range []string{claim, read, reply, exchange, end, report} {
				require.Equal(t, slices.Contains(tt.calls, name), s.called(name) > 0, name)
			}
		})
	}
}

func (s *stage) agentEnds() {
	s.reply = func(context.Context, int, activities.ReplyInput) (activities.ReplyResult, error) {
		return activities.ReplyResult{End: true}, nil
	}
}

func (s *stage) hasTask() {
	s.claim = func(int, activities.ClaimInput) (activities.ClaimResult, error) {
		return activities.ClaimResult{Claimed: true, Receipt: &platforms.Receipt{ExecutionID: "e"}}, nil
	}
	s.context = func(int, activities.ContextInput) (activities.ContextResult, error) {
		return activities.ContextResult{RunID: runID, State: platforms.StateOpen, Context: conversation.Context{Task: &conversation.Task{}}}, nil
	}
}

// A platform that has something else than the input says ends the conversation.
func TestWrongSide(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.hasTask()
	s.run(input("mem"))
	require.ErrorContains(t, s.env.GetWorkflowError(), `platform "mem" has a task here: start it with side "task"`)
	require.Zero(t, s.called(activities.ReplyName))

	s = newStage(t)
	s.run(listedTask("mem"))
	require.ErrorContains(t, s.env.GetWorkflowError(), `platform "mem" has a conversation here: start it with side "platform"`)
	require.Zero(t, s.called(activities.ReplyName))
}

// An input that does not fit its side fails the workflow before it does anything.
func TestInvalidInputs(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		in   workflows.ConversationInput
		want string
	}{
		"no side":                   {in: workflows.ConversationInput{}, want: `side "" is unknown: use platform, transport, direct or task`},
		"unknown side":              {in: workflows.ConversationInput{Side: "phone"}, want: `side "phone" is unknown`},
		"platform with a start":     {in: workflows.ConversationInput{Side: workflows.SidePlatform, Start: &workflows.Start{}}, want: "side platform takes no start"},
		"transport without a start": {in: workflows.ConversationInput{Side: workflows.SideTransport}, want: "side transport needs a start"},
		"transport with a task":     {in: workflows.ConversationInput{Side: workflows.SideTransport, Start: aTask}, want: "without a task"},
		"transport, adopted":        {in: workflows.ConversationInput{Side: workflows.SideTransport, Start: &workflows.Start{}, Adopt: true}, want: "adopt is for"},
		"direct with a task":        {in: workflows.ConversationInput{Side: workflows.SideDirect, Start: aTask}, want: "side direct takes no task"},
		"direct, adopted":           {in: workflows.ConversationInput{Side: workflows.SideDirect, Adopt: true}, want: "adopt is for"},
		"task whose start has none": {in: workflows.ConversationInput{Side: workflows.SideTask, Start: &workflows.Start{}}, want: "side task needs a task"},
		"task with a start, adopted": {
			in: workflows.ConversationInput{Side: workflows.SideTask, Start: aTask, Adopt: true}, want: "adopt is for",
		},
		"task, continued": {in: workflows.ConversationInput{Side: workflows.SideTask, Carried: &workflows.Carried{}}, want: "does not continue as new"},
		"platform that idles": {
			in: workflows.ConversationInput{Side: workflows.SidePlatform, IdleTimeout: time.Hour}, want: "idle_timeout is for side direct",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.in.Ref = conversation.Ref{Platform: "mem", ID: "c"}
			require.ErrorContains(t, tt.in.WithDefaults().Validate(), tt.want)
			s := newStage(t)
			s.run(tt.in)
			err := s.env.GetWorkflowError()
			require.ErrorContains(t, err, tt.want)
			var app *temporal.ApplicationError
			require.ErrorAs(t, err, &app)
			require.Equal(t, workflows.ErrTypeInput, app.Type())
			require.True(t, app.NonRetryable())
			require.Empty(t, s.calls)
		})
	}
}

// Defaults are filled where a conversation is started: a new default must not change open
// conversations.
func TestDefaultsAreFilledOutside(t *testing.T) {
	t.Parallel()
	for _, side := range []workflows.Side{workflows.SidePlatform, workflows.SideTransport, workflows.SideDirect, workflows.SideTask} {
		in := workflows.ConversationInput{Ref: conversation.Ref{Platform: "mem", ID: "c"}, Side: side}
		if side == workflows.SideTransport {
			in.Start = &workflows.Start{}
		}
		require.ErrorContains(t, in.Validate(), "is not set: start conversations with ConversationInput.WithDefaults", side)
		filled := in.WithDefaults()
		require.NoError(t, filled.Validate(), side)
		require.Equal(t, filled, filled.WithDefaults(), side)
	}
	task := workflows.ConversationInput{Side: workflows.SideTask}.WithDefaults()
	require.Equal(t, conversation.EndConversation, task.Policy.OnExhausted)
	require.Equal(t, workflows.DefaultTaskTimeout, task.TaskTimeout)
	direct := workflows.ConversationInput{Side: workflows.SideDirect}.WithDefaults()
	require.Equal(t, workflows.DefaultIdleTimeout, direct.IdleTimeout)
	require.Equal(t, 1<<20, direct.Policy.CarryBytes)
	require.Equal(t, conversation.DefaultCarryBytes, input("mem").Policy.CarryBytes)
}

// The input of a program that uses Temporal's client alone is filled once.
func TestDefaultsOfOtherPrograms(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.agentEnds()
	s.after(time.Second, func() { s.update(workflows.UpdateSend, workflows.SendRequest{ID: "m1", Text: "hello"}) })
	s.env.ExecuteWorkflow(workflows.ConversationName, workflows.ConversationInput{
		Ref: conversation.Ref{Platform: "mem", ID: "c"}, Side: workflows.SideDirect,
	})
	require.Equal(t, 1, s.outcome().Turns)
}

// Only a direct conversation takes messages from clients.
func TestOnlyDirectTakesMessages(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	var refused error
	s.after(0, func() {
		s.env.UpdateWorkflow(workflows.UpdateSend, "u1", &testsuite.TestUpdateCallback{
			OnAccept: func() {}, OnReject: func(err error) { refused = err }, OnComplete: func(any, error) {},
		}, workflows.SendRequest{ID: "m1", Text: "hello"})
	})
	s.run(input("mem"))
	require.ErrorContains(t, refused, "takes no messages from clients")
}
