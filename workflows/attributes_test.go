package workflows_test

import (
	"context"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/workflows"
)

// upserts has a conversation of two turns: the first reply is one's, the second another's.
func upserts(t *testing.T, change func(*workflows.ConversationInput)) (all []map[string]any) {
	t.Helper()
	return upsertsOf(t, 0, change)
}

// upsertsOf is upserts with so long a wait before each reply.
func upsertsOf(t *testing.T, pause time.Duration, change func(*workflows.ConversationInput)) (all []map[string]any) {
	t.Helper()
	waited := false
	s := newStage(t)
	s.env.OnUpsertTypedSearchAttributes(mock.Anything).Run(func(args mock.Arguments) {
		named := map[string]any{}
		for key, value := range args.Get(0).(temporal.SearchAttributes).GetUntypedValues() {
			named[key.GetName()] = value
		}
		all = append(all, named)
	}).Return(nil)
	s.context = func(int, activities.ContextInput) (activities.ContextResult, error) {
		about := conversation.Context{Persona: conversation.Persona{Summary: "Zoë's card:\n\x1b[2Jlost"}}
		return activities.ContextResult{State: platforms.StateOpen, RunID: runID, Context: about}, nil
	}
	s.reply = func(_ context.Context, n int, _ activities.ReplyInput) (activities.ReplyResult, error) {
		if waited = !waited && pause > 0; waited {
			return activities.ReplyResult{HandedOver: true, Wait: pause}, nil // its turn under a rate limit is to come
		}
		if pause > 0 {
			n /= 2
		}
		out := says("answer")
		out.Executor, out.Model = []string{"first", "second"}[n-1], "model\x1b[2J\u202e"
		out.Usage = conversation.Usage{InputTokens: 10, OutputTokens: 5, Cost: 1500, EstimatedTokens: 99}
		return out, nil
	}
	in := input("onerun")
	in.ShowPersona = true
	change(&in)
	s.run(in)
	require.NoError(t, s.env.GetWorkflowError())
	return all
}

// One list tells what a conversation is. Only what has changed is upserted, with the
// upserts of state and outcome.
func TestAttributes(t *testing.T) {
	t.Parallel()
	all := upserts(t, func(*workflows.ConversationInput) {})
	require.Equal(t, []map[string]any{
		{"ParleyStatus": "talking", "ParleyTurns": int64(0), "ParleyPersona": "Zoë\u2019s card\u2236 \uFFFD[2Jlost"},
		{
			"ParleyStatus": "closed", "ParleyTurns": int64(2), "ParleyOutcome": "ended", "ParleyEndedBy": "persona",
			"ParleyExecutor": []string{"first", "second"}, "ParleyModel": []string{"model\uFFFD[2J\uFFFD"},
			"ParleyTokens": int64(30), "ParleyCost": 0.003,
		},
	}, all)
}

// A conversation that takes its time is seen to proceed, at most twice a minute.
func TestAttributesOfASlowConversation(t *testing.T) {
	t.Parallel()
	all := upsertsOf(t, 40*time.Second, func(*workflows.ConversationInput) {})
	require.Len(t, all, 3)
	require.Equal(t, map[string]any{
		"ParleyTurns": int64(1), "ParleyExecutor": []string{"first"}, "ParleyModel": []string{"model\uFFFD[2J\uFFFD"},
		"ParleyTokens": int64(15), "ParleyCost": 0.0015,
	}, all[1])
	require.Len(t, upsertsOf(t, 10*time.Second, func(*workflows.ConversationInput) {}), 2)
	require.Len(t, upsertsOf(t, 40*time.Second, func(in *workflows.ConversationInput) { in.Edition = 1 }), 2)
}

// Where payloads are encrypted no text of a person is among the attributes.
func TestAttributesWithoutPersona(t *testing.T) {
	t.Parallel()
	for _, attributes := range upserts(t, func(in *workflows.ConversationInput) { in.ShowPersona = false }) {
		require.NotContains(t, attributes, "ParleyPersona")
	}
}

// Conversations that began under an earlier edition upsert what they upserted then.
func TestAttributesOfEarlierEditions(t *testing.T) {
	t.Parallel()
	require.Equal(t, []map[string]any{
		{"ParleyStatus": "talking", "ParleyTurns": int64(0)},
		{"ParleyStatus": "closed", "ParleyTurns": int64(2), "ParleyOutcome": "ended", "ParleyEndedBy": "persona"},
	}, upserts(t, func(in *workflows.ConversationInput) { in.Edition = 1 }))
}

func TestPersonaText(t *testing.T) {
	t.Parallel()
	require.Empty(t, workflows.PersonaText(" \n"))
	for _, hostile := range []string{`it's 10:30 \ 'x`, strings.Repeat("ü: ", 5000), "a\x00b\u202e\x1b]8;;x\x07", strings.Repeat("'", 300), "\xff\xfe"} {
		got := workflows.PersonaText(hostile)
		require.True(t, utf8.ValidString(got))
		require.LessOrEqual(t, len(got), 200)
		require.False(t, strings.ContainsAny(got, "':\\\n\x00\x1b\u202e"), "PostgreSQL refuses it: %q", got)
	}
}
