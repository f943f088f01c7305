package workflows_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/workflows"
)

// A claim that is not ours ends the conversation, and leaves the platform alone.
func TestClaimLost(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.claim = func(int, activities.ClaimInput) (activities.ClaimResult, error) {
		return activities.ClaimResult{Detail: "another worker has it"}, nil
	}
	s.run(input("mem"))
	out := s.outcome()
	require.Equal(t, conversation.OutcomeClaimLost, out.Kind)
	require.Equal(t, "another worker has it", out.Detail)
	require.Equal(t, map[string]int{activities.ClaimName: 1}, s.calls)
}

// A claim that is handed over knows of the requests before it: they may be ours.
func TestClaimKnowsItsRequests(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	var tried []int
	s.claim = func(n int, in activities.ClaimInput) (activities.ClaimResult, error) {
		sends := 0
		if in.Tried != nil {
			sends = in.Tried.Sends
		}
		tried = append(tried, sends)
		switch n {
		case 1:
			return activities.ClaimResult{HandedOver: true, Tried: &activities.Mark{Sends: 1}}, nil
		case 2:
			return activities.ClaimResult{}, fails(conversation.Invalid, "it is wrong", activities.ErrorDetails{Ambiguous: true, Mark: &activities.Mark{Sends: 2}})
		}
		return activities.ClaimResult{Claimed: true}, nil
	}
	s.after(time.Hour, func() { s.update(workflows.UpdateResume, workflows.ResumeRequest{}) })
	s.run(input("mem"))
	require.Equal(t, conversation.OutcomeEnded, s.outcome().Kind)
	require.Equal(t, []int{0, 1, 2}, tried)
	require.Zero(t, s.called(activities.FindClaimName))
}

// A conversation that is not on the platform cannot be ended there.
func TestConversationIsNotFound(t *testing.T) {
	t.Parallel()
	for _, at := range []string{activities.ClaimName, activities.ContextName} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			missing := fails(conversation.NotFound, "there is none", activities.ErrorDetails{Ambiguous: true})
			if at == activities.ClaimName {
				s.claim = func(int, activities.ClaimInput) (activities.ClaimResult, error) {
					return activities.ClaimResult{}, missing
				}
			} else {
				s.context = func(int, activities.ContextInput) (activities.ContextResult, error) {
					return activities.ContextResult{}, missing
				}
			}
			s.run(input("mem"))
			require.ErrorContains(t, s.env.GetWorkflowError(), "there is none")
			require.Zero(t, s.called(activities.EndName))
			require.Zero(t, s.called(activities.FindClaimName))
		})
	}
}

// One that has ended there when it is adopted has ended.
func TestAdoptedHasEnded(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.context = func(int, activities.ContextInput) (activities.ContextResult, error) {
		out := holds(3, 3)
		out.State, out.EndedBy, out.EndDetail = platforms.StateEnded, conversation.EndedByPersona, "content"
		return out, nil
	}
	in := input("mem")
	in.Adopt = true
	s.run(in)
	out := s.outcome()
	require.Equal(t, conversation.EndedByPersona, out.EndedBy)
	require.Equal(t, "content", out.Detail)
	require.Equal(t, 3, out.Turns)
	require.Equal(t, 7, out.Messages)
	require.Equal(t, map[string]int{activities.ContextName: 1}, s.calls)
}

// A context that was cut parks the conversation, or ends it, once it is known.
func TestContextParks(t *testing.T) {
	t.Parallel()
	for _, on := range []conversation.OnExhausted{conversation.Park, conversation.EndConversation} {
		t.Run(string(on), func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.context = func(int, activities.ContextInput) (activities.ContextResult, error) {
				out := holds(1, 3)
				out.Park = &activities.Finding{Kind: conversation.Invalid, Reason: "a message was cut", Remedy: "raise max_message_bytes"}
				return out, nil
			}
			var parked workflows.Status
			s.after(time.Hour, func() {
				parked = s.status()
				s.update(workflows.UpdateResume, workflows.ResumeRequest{})
			})
			in := input("mem")
			in.Policy.OnExhausted = on
			s.run(in)
			if on == conversation.EndConversation {
				require.ErrorContains(t, s.env.GetWorkflowError(), "a message was cut")
				require.Equal(t, 1, s.called(activities.EndName))
				return
			}
			require.Equal(t, workflows.StateNeedsAttention, parked.State)
			require.Equal(t, "raise max_message_bytes", parked.Attention.Remedy)
			require.Equal(t, 3, parked.Messages)
			require.Equal(t, conversation.OutcomeEnded, s.outcome().Kind)
			require.Equal(t, 1, s.called(activities.ContextName))
		})
	}
}

// The ending is the platform's where it came before ours.
func TestEndedThereBefore(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		out  activities.EndResult
		err  error
		by   conversation.EndedBy
		want string
	}{
		"by us":          {out: activities.EndResult{EndedBy: conversation.EndedByAgent}, by: conversation.EndedByAgent},
		"unknown":        {by: conversation.EndedByAgent},
		"by the persona": {out: activities.EndResult{EndedBy: conversation.EndedByPersona, EndDetail: "content"}, by: conversation.EndedByPersona, want: "content"},
		"not at all": {
			err: fails(conversation.Unauthorized, "wrong key", activities.ErrorDetails{Remedy: "set another"}),
			by:  conversation.EndedByAgent, want: "it could not be ended on the platform: wrong key (set another)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.agentEnds()
			s.end = func(int, activities.EndInput) (activities.EndResult, error) { return tt.out, tt.err }
			s.run(input("mem"))
			out := s.outcome()
			require.Equal(t, tt.by, out.EndedBy)
			require.Equal(t, tt.want, out.Detail)
		})
	}
}

// After a reset to before its claim a conversation is claimed, unless it is adopted.
func TestResetBeforeTheClaim(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		state platforms.State
		count int
		calls int
		want  string // of the failure
	}{
		"waiting":          {state: platforms.StateWaiting, calls: 2},
		"no transcript":    {state: platforms.StateUnknown, calls: 1, want: "keeps no transcript"},
		"unknown and open": {state: platforms.StateUnknown, count: 3, calls: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.claim = func(n int, _ activities.ClaimInput) (activities.ClaimResult, error) {
				if n == 1 {
					return activities.ClaimResult{}, wasReset("run2")
				}
				return activities.ClaimResult{Claimed: true}, nil
			}
			s.context = func(n int, _ activities.ContextInput) (activities.ContextResult, error) {
				out := activities.ContextResult{RunID: "run2", State: platforms.StateOpen}
				if n == 1 {
					out.State = tt.state
				}
				if tt.count > 0 {
					out = holds(1, 3)
					out.RunID, out.State = "run2", tt.state
				}
				return out, nil
			}
			s.run(input("mem"))
			require.Equal(t, tt.calls, s.called(activities.ClaimName))
			if tt.want != "" {
				require.ErrorContains(t, s.env.GetWorkflowError(), tt.want)
				return
			}
			require.Equal(t, conversation.OutcomeEnded, s.outcome().Kind)
		})
	}
}

// While what was sent before a reset may still arrive, an operator can end the
// conversation.
func TestEndWhileWaitingAfterAReset(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.context = func(n int, _ activities.ContextInput) (activities.ContextResult, error) {
		out := holds(n, 3)
		out.RunID, out.Settle = "run2", time.Hour
		return out, nil
	}
	s.after(90*time.Minute, func() { s.update(workflows.UpdateEnd, workflows.EndRequest{Reason: "enough"}) })
	s.run(input("mem"))
	out := s.outcome()
	require.Equal(t, conversation.EndedByOperator, out.EndedBy)
	require.Equal(t, 2, s.called(activities.ContextName))
	require.Zero(t, s.called(activities.ReplyName))
	require.Equal(t, 1, s.called(activities.EndName))
}

// An exchange that ends the conversation and is not as it should be has ended it.
func TestExchangeEndsAndDiffers(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.exchange = func(_ context.Context, _ int, in activities.ExchangeInput) (activities.ExchangeResult, error) {
		out := answered(in)
		if in.Turn == 1 {
			out.Ended, out.EndedBy, out.EndDetail = true, conversation.EndedByPersona, "content"
			out.Park = &activities.Finding{Kind: conversation.Diverged, Reason: "it holds another message"}
		}
		return out, nil
	}
	s.run(input("mem"))
	out := s.outcome()
	require.Equal(t, conversation.EndedByPersona, out.EndedBy)
	require.Equal(t, "content; it holds another message", out.Detail)
}

// What the exchange left to the reply to compare, and the reply found to differ: the
// conversation parks before anything else is sent, and goes on from what the platform holds.
func TestReplyFindsADifference(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.exchange = func(_ context.Context, n int, in activities.ExchangeInput) (activities.ExchangeResult, error) {
		out := answered(in)
		require.True(t, in.VerifyLater)
		out.Unverified = true
		if n == 3 { // after the difference
			require.Equal(t, 5, in.Before)
			out.Ended, out.EndedBy = true, conversation.EndedByPersona
		}
		return out, nil
	}
	s.reply = func(_ context.Context, n int, in activities.ReplyInput) (activities.ReplyResult, error) {
		switch n {
		case 1:
			require.Equal(t, 1, in.Unverified, "the persona's opening")
		case 2:
			require.Equal(t, 2, in.Unverified)
			return activities.ReplyResult{
				Executor: "agent", Usage: conversation.Usage{OutputTokens: 7, Calls: 1},
				Park: &activities.Finding{Kind: conversation.Diverged, Reason: "it has 5 messages, expected 3", Remedy: "find the gateway"},
			}, nil
		case 3:
			require.Zero(t, in.Unverified, "all of it was read anew")
			require.Equal(t, 5, in.Before+len(in.New))
		}
		return says("answer"), nil
	}
	s.context = func(n int, _ activities.ContextInput) (activities.ContextResult, error) {
		if n == 1 {
			return activities.ContextResult{State: platforms.StateOpen, RunID: runID}, nil
		}
		out := holds(2, 1)
		require.Equal(t, 5, out.Count)
		return out, nil
	}
	var parked workflows.Status
	s.after(time.Hour, func() {
		parked = s.status()
		s.update(workflows.UpdateResume, workflows.ResumeRequest{})
	})
	s.run(input("mem"))
	require.Equal(t, workflows.StateNeedsAttention, parked.State)
	require.Equal(t, "it has 5 messages, expected 3", parked.Attention.Reason)
	require.Equal(t, 1, parked.Turn)
	require.EqualValues(t, 7, parked.Usage.OutputTokens, "what was bought meanwhile is counted")
	out := s.outcome()
	require.Equal(t, conversation.EndedByPersona, out.EndedBy)
	require.Equal(t, 3, out.Turns)
	require.Equal(t, 3, s.called(activities.ReplyName))
}

// An attempt that fails with a refusal may not have compared anything: the next reply does.
func TestRefusalComparesLater(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.exchange = func(_ context.Context, _ int, in activities.ExchangeInput) (activities.ExchangeResult, error) {
		out := answered(in)
		out.Unverified = !out.Ended
		return out, nil
	}
	var unverified []int
	s.reply = func(_ context.Context, n int, in activities.ReplyInput) (activities.ReplyResult, error) {
		unverified = append(unverified, in.Unverified)
		if n == 1 {
			return activities.ReplyResult{}, fails(conversation.Refused, "no", activities.ErrorDetails{})
		}
		return says("answer"), nil
	}
	in := input("mem")
	in.Policy.RefusalText = "I cannot say."
	s.run(in)
	require.Equal(t, []int{1, 3}, unverified)
}

// One that ends before its last exchange is compared says what the platform has too many of.
func TestEndFindsADifference(t *testing.T) {
	t.Parallel()
	for name, unverified := range map[string]bool{"compared": false, "not compared": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.exchange = func(_ context.Context, _ int, in activities.ExchangeInput) (activities.ExchangeResult, error) {
				out := answered(in)
				out.Unverified = unverified
				return out, nil
			}
			s.end = func(int, activities.EndInput) (activities.EndResult, error) {
				return activities.EndResult{EndedBy: conversation.EndedByAgent, Count: 5, Turns: 2}, nil
			}
			in := input("mem")
			in.Policy.MaxTurns = 1
			s.run(in)
			want := "it has had the 1 turns that max_turns allows"
			if unverified {
				want += "; the platform has 2 messages of the agent, expected 1"
			}
			require.Equal(t, want, s.outcome().Detail)
		})
	}
}

// A message that the platform did not take is no turn.
func TestMessageIsNotTaken(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.exchange = func(_ context.Context, _ int, in activities.ExchangeInput) (activities.ExchangeResult, error) {
		if in.Turn == 0 {
			return answered(in), nil
		}
		return activities.ExchangeResult{Count: in.Before, Ended: true, EndedBy: conversation.EndedByTurnLimit}, nil
	}
	s.run(input("mem"))
	out := s.outcome()
	require.Zero(t, out.Turns)
	require.Equal(t, 1, out.Messages)
	require.Zero(t, s.called(activities.EndName))
}

// Capacity is started by the first conversation that waits for it; a conversation that
// waits can be ended, cancelled, and expires.
func TestWaitingForCapacity(t *testing.T) {
	t.Parallel()
	waiting := func(t *testing.T) (*stage, *int) {
		s, starts := newStage(t), new(int)
		s.env.OnSignalExternalWorkflow(mock.Anything, mock.Anything, mock.Anything, mock.Anything, mock.Anything).Return(
			func(_, _, _, signal string, _ any) error {
				if *starts == 0 {
					return errors.New("there is none")
				}
				return nil
			})
		s.env.OnWorkflow(workflows.CapacityName, mock.Anything, mock.Anything).Return(
			func(_ workflow.Context, in workflows.CapacityInput) error {
				*starts++
				require.Equal(t, "mem", in.Platform)
				return nil
			})
		return s, starts
	}
	counted := func() workflows.ConversationInput {
		in := input("mem")
		in.CountedIn = workflows.Counted(3)
		return in
	}
	t.Run("reserved", func(t *testing.T) {
		t.Parallel()
		s, starts := waiting(t)
		s.after(20*time.Minute, func() {
			require.Equal(t, workflows.StateWaiting, s.status().State)
			require.Equal(t, "waiting for capacity", s.status().Step)
			require.Empty(t, s.calls)
			s.env.SignalWorkflow(workflows.SignalReserved, activities.Reservation{Seq: 1})
		})
		s.run(counted())
		require.Equal(t, conversation.OutcomeEnded, s.outcome().Kind)
		require.Equal(t, 1, *starts)
	})
	t.Run("ended", func(t *testing.T) {
		t.Parallel()
		s, _ := waiting(t)
		s.after(20*time.Minute, func() { s.update(workflows.UpdateEnd, workflows.EndRequest{}) })
		s.run(counted())
		require.Equal(t, conversation.EndedByOperator, s.outcome().EndedBy)
		require.Empty(t, s.calls)
	})
	t.Run("cancelled", func(t *testing.T) {
		t.Parallel()
		s, _ := waiting(t)
		s.after(20*time.Minute, s.env.CancelWorkflow)
		s.run(counted())
		require.True(t, temporal.IsCanceledError(s.env.GetWorkflowError()))
		require.Empty(t, s.calls)
	})
	t.Run("expired", func(t *testing.T) {
		t.Parallel()
		s, _ := waiting(t)
		begin := s.env.Now()
		in := input("mem")
		in.Side, in.CountedIn = workflows.SideTransport, workflows.Counted(3)
		in.Start = &workflows.Start{Context: conversation.Context{Expires: begin.Add(7 * time.Minute)}}
		s.run(in)
		require.Equal(t, conversation.OutcomeExpired, s.outcome().Kind)
		require.Equal(t, 7*time.Minute, s.env.Now().Sub(begin).Round(time.Minute))
		require.Empty(t, s.calls)
	})
}

// A notification that fails is not what counts: the conversation goes on.
func TestNotificationFails(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	var numbers []int
	s.notify = func(n int, in activities.NotifyInput) (activities.NotifyResult, error) {
		switch {
		case n == 1:
			return activities.NotifyResult{HandedOver: true, Failed: 1}, nil
		case in.Event.Number == 2:
			return activities.NotifyResult{}, fails(conversation.Invalid, "it is wrong", activities.ErrorDetails{})
		}
		numbers = append(numbers, in.Event.Number)
		return activities.NotifyResult{}, nil
	}
	in := input("mem")
	in.Side, in.Start, in.Notify = workflows.SideTransport, &workflows.Start{}, "listener"
	s.run(in)
	require.Equal(t, conversation.OutcomeEnded, s.outcome().Kind)
	require.Equal(t, []int{1, 3, 4}, numbers, "started, replied twice, ended")
}

// A schedule gives every workflow the same input: its own name is in the workflow id.
func TestConversationOfASchedule(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	in := input("mem")
	in.Ref.ID = ""
	s.run(in)
	s.outcome()
	require.NotEmpty(t, s.status().Ref.ID)
}
