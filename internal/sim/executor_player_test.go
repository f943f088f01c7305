package sim_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/sim"
)

type executorFunc func(executors.Request) (executors.Result, error)

func (f executorFunc) Execute(_ context.Context, req executors.Request) (executors.Result, error) {
	return f(req)
}

func TestExecutorPlayerSwapsRoles(t *testing.T) {
	t.Parallel()
	user, assistant := conversation.RoleUser, conversation.RoleAssistant
	say := conversation.Text
	const opens, goesOn = "(The conversation begins. Write your first message.)", "(The other side says nothing. Write your next message.)"
	for name, test := range map[string]struct {
		conv []conversation.Message // user is the persona
		want []conversation.Message // after the instructions
		turn int
	}{
		"Opens":        {nil, []conversation.Message{say(user, opens)}, 1},
		"Greeted":      {[]conversation.Message{say(assistant, "welcome")}, []conversation.Message{say(user, "welcome")}, 1},
		"Answers":      {[]conversation.Message{say(user, "hi"), say(assistant, "yes?")}, []conversation.Message{say(user, opens), say(assistant, "hi"), say(user, "yes?")}, 2},
		"AskedAgain":   {[]conversation.Message{say(user, "hi")}, []conversation.Message{say(user, opens), say(assistant, "hi"), say(user, goesOn)}, 2},
		"TwoInARow":    {[]conversation.Message{say(user, "hi"), say(user, "hello?"), say(assistant, "yes?")}, []conversation.Message{say(user, opens), say(assistant, "hi"), say(user, goesOn), say(assistant, "hello?"), say(user, "yes?")}, 3},
		"ManyMessages": {[]conversation.Message{say(assistant, "a"), say(assistant, "b")}, []conversation.Message{say(user, "a"), say(user, "b")}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got executors.Request
			p := sim.ExecutorPlayer{Executor: executorFunc(func(req executors.Request) (executors.Result, error) {
				got = req
				return executors.Result{Message: say(assistant, " fine \n")}, nil
			})}
			text, end, err := p.Reply(t.Context(), sim.PersonaTurn{Messages: test.conv, Conversation: conversation.Ref{ID: "c"}})
			require.NoError(t, err)
			require.Equal(t, "fine", text)
			require.False(t, end)
			require.Equal(t, conversation.RoleSystem, got.Messages[0].Role)
			require.Equal(t, test.want, got.Messages[1:])
			require.Equal(t, test.turn, got.Turn)
			require.Equal(t, len(got.Messages), got.New)
			require.NotEmpty(t, got.IdempotencyKey)
		})
	}
}

func TestExecutorPlayerOutcomes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		result executors.Result
		err    error
		status int
		ended  bool
		output string
	}{
		"Says":     {executors.Result{Message: conversation.Text(conversation.RoleAssistant, "hm")}, nil, 200, false, "hm"},
		"Marker":   {executors.Result{Message: conversation.Text(conversation.RoleAssistant, "bye [END]\n")}, nil, 200, true, "bye"},
		"End":      {executors.Result{Message: conversation.Text(conversation.RoleAssistant, "bye"), End: true}, nil, 200, true, "bye"},
		"Silent":   {executors.Result{FinishReason: executors.FinishStop}, nil, 200, true, ""},
		"Filtered": {executors.Result{FinishReason: executors.FinishContentFilter}, nil, 500, false, ""},
		"Error":    {executors.Result{}, errors.New("overloaded"), 500, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, sim.Config{Player: sim.ExecutorPlayer{Executor: executorFunc(func(executors.Request) (executors.Result, error) {
				return test.result, test.err
			})}}, sim.Setup{Conversations: 1})
			a := b.call("POST", b.conv(b.conversations(0)[0], "/responses"), says("hi"))
			require.Equal(t, test.status, a.status)
			require.Equal(t, test.ended, a.ended())
			require.Equal(t, test.output, a.output())
		})
	}
}

func TestInstructions(t *testing.T) {
	t.Parallel()
	got := sim.Instructions(sim.PersonaTurn{
		Persona: sim.Persona{
			Summary: "Angry customer", Story: "Got a bird bath.", Purpose: "Money back", Attributes: map[string]string{"speech_style": "loud"},
			Openings: []string{"WHAT IS THIS"},
		},
		Agent: sim.AgentProfile{Name: "Help desk", Description: "Sells benches."}, MaxTurns: 9,
		Messages: make([]conversation.Message, 3),
	})
	for _, want := range []string{"Angry customer", "Got a bird bath.", "Money back", "speech style: loud", "WHAT IS THIS", "Help desk", "Sells benches.", "[END]", "at most 9 messages", "3 have been"} {
		require.Contains(t, got, want)
	}
	own := sim.ExecutorPlayer{
		Instructions: func(sim.PersonaTurn) string { return "be brief" },
		Executor: executorFunc(func(req executors.Request) (executors.Result, error) {
			return executors.Result{Message: conversation.Text(conversation.RoleAssistant, req.Messages[0].Text())}, nil
		}),
	}
	text, _, err := own.Reply(t.Context(), sim.PersonaTurn{})
	require.NoError(t, err)
	require.Equal(t, "be brief", text)
}
