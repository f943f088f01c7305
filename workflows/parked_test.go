package workflows_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/workflows"
)

// What a parked conversation says to people: the reason once, without the remedy; the
// remedy once, as it was given; and what can be done besides, which depends on whether a
// message of ours may be under way.
func TestParkedSaysReasonRemedyAndChoices(t *testing.T) {
	t.Parallel()
	const anyway = "resume, take over or end the conversation"
	for name, tt := range map[string]struct {
		kind    conversation.Kind
		at      string // the activity that fails
		remedy  string
		policy  conversation.Policy
		choices string
	}{
		"Unavailable":         {conversation.Unavailable, activities.ReplyName, "start the agent", conversation.Policy{ReplyAttempts: 1}, anyway},
		"no remedy":           {conversation.Unavailable, activities.ReplyName, "", conversation.Policy{ReplyAttempts: 1}, anyway},
		"RateLimited":         {conversation.RateLimited, activities.ReplyName, "ask for more", conversation.Policy{ReplyAttempts: 1}, anyway},
		"QuotaExhausted":      {conversation.QuotaExhausted, activities.ReplyName, "pay the bill", conversation.Policy{}, anyway},
		"Unauthorized":        {conversation.Unauthorized, activities.ReplyName, "set another key", conversation.Policy{}, anyway},
		"Refused":             {conversation.Refused, activities.ReplyName, "", conversation.Policy{}, anyway},
		"Invalid":             {conversation.Invalid, activities.ReplyName, "name a model", conversation.Policy{}, anyway},
		"BudgetSpent, day":    {conversation.BudgetSpent, activities.ReplyName, "raise the budget", conversation.Policy{}, anyway},
		"exchange":            {conversation.Unavailable, activities.ExchangeName, "start the platform", conversation.Policy{PlatformAttempts: 1}, "resume or end the conversation"},
		"Ambiguous":           {conversation.Ambiguous, activities.ExchangeName, "", conversation.Policy{}, "resume to send the message again, or end the conversation"},
		"Diverged":            {conversation.Diverged, activities.ExchangeName, "stop the other worker", conversation.Policy{}, "resume to go on from what the platform holds, or end the conversation"},
		"budget":              {"", "", "", conversation.Policy{MaxTokens: 1}, "resume to allow as much again, take over or end the conversation"},
		"claim, Unauthorized": {conversation.Unauthorized, activities.ClaimName, "set another key", conversation.Policy{}, "resume or end the conversation"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.env.OnSignalExternalWorkflow(mock.Anything, mock.Anything, mock.Anything, mock.Anything, mock.Anything).Return(nil).Maybe()
			err := fails(tt.kind, "agent: it is out of order", activities.ErrorDetails{Remedy: tt.remedy})
			switch tt.at {
			case activities.ReplyName:
				s.reply = func(context.Context, int, activities.ReplyInput) (activities.ReplyResult, error) {
					return activities.ReplyResult{}, err
				}
			case activities.ExchangeName:
				s.exchange = func(_ context.Context, _ int, in activities.ExchangeInput) (activities.ExchangeResult, error) {
					if in.Turn == 0 {
						return answered(in), nil
					}
					return activities.ExchangeResult{}, err
				}
			case activities.ClaimName:
				s.claim = func(int, activities.ClaimInput) (activities.ClaimResult, error) { return activities.ClaimResult{}, err }
			case "":
				s.reply = func(context.Context, int, activities.ReplyInput) (activities.ReplyResult, error) {
					out := says("answer")
					out.Usage.OutputTokens = 10
					return out, nil
				}
			}
			var status workflows.Status
			s.after(time.Hour, func() {
				status = s.status()
				s.update(workflows.UpdateEnd, workflows.EndRequest{})
			})
			in := input("mem")
			in.Policy = tt.policy
			s.run(in)
			s.env.IsWorkflowCompleted()
			require.Equal(t, workflows.StateNeedsAttention, status.State)
			a := status.Attention
			if tt.kind != "" {
				require.Equal(t, "agent: it is out of order", a.Reason)
				require.Equal(t, tt.kind, a.Kind)
			}
			require.Equal(t, tt.remedy, a.Remedy)
			require.Equal(t, tt.choices, a.Choices())
			require.False(t, strings.HasPrefix(a.Remedy, "then"))
			require.NotEmpty(t, a.Step)
		})
	}
}
