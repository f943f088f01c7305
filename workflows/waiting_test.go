package workflows_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/failover"
	"github.com/parley-run/parley/executors/limit"
	"github.com/parley-run/parley/workflows"
)

// A provider that answers 429 with a short delay for ever is asked as often as
// reply_attempts says, whatever waits in between, and then the conversation parks.
func TestRateLimitForEverParks(t *testing.T) {
	t.Parallel()
	const attempts = 5
	limited := &conversation.Error{Kind: conversation.RateLimited, Op: "model", Err: errors.New("too many requests"), RetryAfter: 30 * time.Millisecond}
	down := &conversation.Error{Kind: conversation.Unavailable, Op: "other", Err: errors.New("no answer")}
	limits := limit.Config{MaxWait: time.Millisecond}
	// The executors count what they are asked.
	for name, made := range map[string]func(t *testing.T, asked *int) executors.Executor{
		"alone": func(_ *testing.T, asked *int) executors.Executor { return counting(limited, asked) },
		"behind limits": func(t *testing.T, asked *int) executors.Executor {
			e, err := limit.New(limit.NewPool(nil), counting(limited, asked), limit.Key{Provider: "p"}, limits)
			require.NoError(t, err)
			return e
		},
		"a link in front of one that waits for its turn": func(t *testing.T, asked *int) executors.Executor {
			slow := *limited
			slow.RetryAfter = 300 * time.Millisecond
			next, err := limit.New(limit.NewPool(nil), counting(&slow, new(int)), limit.Key{Provider: "p"}, limits)
			require.NoError(t, err)
			e, err := failover.New("chain", failover.Config{SwitchOn: []conversation.Kind{conversation.Unavailable}, Breaker: failover.BreakerConfig{Failures: 1000}}, []failover.Link{
				{Name: "a", Executor: counting(down, asked)}, {Name: "b", Executor: next},
			}, failover.NewBreakers(nil))
			require.NoError(t, err)
			return e
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			env := environment(t, &platform{maxMessages: 3}, "mem", made(t, &asked))
			var parked workflows.Status
			env.RegisterDelayedCallback(func() {
				value, err := env.QueryWorkflow(workflows.QueryStatus)
				require.NoError(t, err)
				require.NoError(t, value.Get(&parked))
				env.CancelWorkflow()
			}, 24*time.Hour)
			in := input("mem")
			in.Policy.ReplyAttempts = attempts
			env.ExecuteWorkflow(workflows.ConversationName, in)
			require.Equal(t, workflows.StateNeedsAttention, parked.State)
			require.Zero(t, parked.Attention.NextCheck)
			require.LessOrEqual(t, asked, attempts)
			require.NotZero(t, asked)
		})
	}
}

// The budget of a conversation holds although its provider reports no tokens, for replies
// and for calls that fail after the provider has begun to answer.
func TestConversationBudgetWithoutUsage(t *testing.T) {
	t.Parallel()
	brokenOff := &conversation.Error{Kind: conversation.Unavailable, Err: errors.New("broken off"), Usage: conversation.Usage{Calls: 1}}
	for name, fails := range map[string]error{"replies": nil, "failures": brokenOff} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := &executortest.Fake{Reply: func(context.Context, executors.Request) (executors.Result, error) {
				return executors.Result{Message: conversation.Text(conversation.RoleAssistant, "answer"), Usage: conversation.Usage{Calls: 1}}, nil
			}}
			if fails != nil {
				fake.FailTurn(1, fails, fails)
			}
			env := environment(t, &platform{maxMessages: 100}, "mem", fake)
			in := input("mem")
			in.Policy.MaxTokens, in.Policy.OnSpent = 2500, conversation.EndConversation
			env.ExecuteWorkflow(workflows.ConversationName, in)
			out := outcome(t, env)
			require.Equal(t, conversation.OutcomeBudgetSpent, out.Kind)
			require.Zero(t, out.Usage.InputTokens+out.Usage.OutputTokens, "what is not known is not said")
			require.InDelta(t, 3600, out.Usage.EstimatedTokens, 600)
			require.Len(t, fake.Requests(), 3)
		})
	}
}

func counting(err error, asked *int) executors.Executor {
	return &executortest.Fake{Reply: func(context.Context, executors.Request) (executors.Result, error) {
		*asked++
		return executors.Result{}, err
	}}
}

// A service that asks for another long wait after each is not asked for ever. Each
// operator that resumes the conversation gives it all its waits again.
func TestLongWaitsAreBounded(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.reply = func(context.Context, int, activities.ReplyInput) (activities.ReplyResult, error) {
		return activities.ReplyResult{}, waits(s.env.Now().Add(time.Hour))
	}
	var first, second workflows.Status
	calls := 0
	s.after(48*time.Hour, func() {
		first, calls = s.status(), s.called(activities.ReplyName)
		s.update(workflows.UpdateResume, workflows.ResumeRequest{})
	})
	s.after(96*time.Hour, func() {
		second = s.status()
		s.update(workflows.UpdateEnd, workflows.EndRequest{})
	})
	s.run(input("mem"))
	s.outcome()
	require.Equal(t, 11, calls)
	require.Equal(t, 22, s.called(activities.ReplyName))
	for _, status := range []workflows.Status{first, second} {
		require.Equal(t, workflows.StateNeedsAttention, status.State)
		require.Equal(t, "too many requests", status.Attention.Reason)
		require.Zero(t, status.Attention.NextCheck)
	}
}

// Conversations that wait for the same time do not all return in the same second, and a
// conversation says when it continues.
func TestWaitsSpread(t *testing.T) {
	t.Parallel()
	seen := map[time.Duration]bool{}
	for _, id := range []string{"mem//a", "mem//b", "mem//c", "mem//d"} {
		s := newStage(t)
		s.env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: id, TaskQueue: "q"})
		until := s.env.Now().Add(8 * time.Hour).UTC().Truncate(time.Second)
		s.reply = func(_ context.Context, n int, _ activities.ReplyInput) (activities.ReplyResult, error) {
			if n == 1 {
				return activities.ReplyResult{}, waits(until)
			}
			require.False(t, s.env.Now().Before(until))
			return says("answer"), nil
		}
		var parked workflows.Status
		s.after(time.Hour, func() { parked = s.status() })
		s.run(input("mem"))
		require.Equal(t, conversation.OutcomeEnded, s.outcome().Kind)
		a := parked.Attention
		require.NotNil(t, a)
		require.WithinRange(t, a.NextCheck, until, until.Add(10*time.Minute))
		require.Equal(t, "waits until "+a.NextCheck.Format("2006-01-02 15:04:05 UTC")+": too many requests", a.Reason)
		seen[a.NextCheck.Sub(until)] = true
	}
	require.Greater(t, len(seen), 1)
}

// An account whose renewal is known continues by itself then, unless the inbox finds out
// earlier that the outage is over.
func TestQuotaContinuesAtItsRenewal(t *testing.T) {
	t.Parallel()
	for name, over := range map[string]time.Duration{"at its time": 0, "earlier": 2 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.env.OnSignalExternalWorkflow(mock.Anything, mock.Anything, mock.Anything, mock.Anything, mock.Anything).Return(nil).Maybe()
			begin := s.env.Now()
			var again time.Time
			s.reply = func(_ context.Context, n int, _ activities.ReplyInput) (activities.ReplyResult, error) {
				if n == 1 {
					return activities.ReplyResult{}, fails(conversation.QuotaExhausted, "no credit", activities.ErrorDetails{Until: begin.Add(8 * time.Hour)})
				}
				again = s.env.Now()
				return says("answer"), nil
			}
			if over > 0 {
				s.after(over, func() {
					s.env.SignalWorkflow(workflows.SignalRetry, workflows.Retry{Source: *s.status().Attention.Source, Kind: conversation.QuotaExhausted})
				})
			}
			s.run(input("mem"))
			require.Equal(t, conversation.OutcomeEnded, s.outcome().Kind)
			if over > 0 {
				require.WithinDuration(t, begin.Add(over), again, time.Minute)
			} else {
				require.WithinRange(t, again, begin.Add(8*time.Hour), begin.Add(8*time.Hour+11*time.Minute))
			}
		})
	}
}
