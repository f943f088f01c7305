package workflows_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/workflows"
)

// talked is a transcript in which the persona and the agent have spoken in turns.
func talked(turns int) []conversation.Message {
	messages := []conversation.Message{conversation.Text(conversation.RoleUser, "hello")}
	for i := range turns {
		messages = append(messages, conversation.Text(conversation.RoleAssistant, fmt.Sprint("a", i+1)), conversation.Text(conversation.RoleUser, fmt.Sprint("p", i+1)))
	}
	return messages
}

// holds is what the platform says of such a transcript, with its newest messages.
func holds(turns, newest int) activities.ContextResult {
	all := talked(turns)
	return activities.ContextResult{
		RunID: runID, State: platforms.StateOpen, Messages: all[len(all)-newest:], Count: len(all), Turns: turns,
	}
}

// The turns of a conversation that is taken over are those of its whole transcript, not
// of the newest messages that are read: limits hold, and no turn's number comes again.
func TestAdoptedTurnsAreCountedFromTheTranscript(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.context = func(int, activities.ContextInput) (activities.ContextResult, error) { return holds(60, 17), nil }
	var turns []int
	s.reply = func(_ context.Context, _ int, in activities.ReplyInput) (activities.ReplyResult, error) {
		turns = append(turns, in.Turn)
		return says("answer"), nil
	}
	s.exchange = func(_ context.Context, _ int, in activities.ExchangeInput) (activities.ExchangeResult, error) {
		require.True(t, in.Spoken)
		in.Turn = 1 // it does not end by itself
		return answered(in), nil
	}
	in := input("mem")
	in.Adopt, in.Policy.MaxTurns = true, 61
	s.run(in)
	out := s.outcome()
	require.Equal(t, conversation.OutcomeBudgetSpent, out.Kind)
	require.Equal(t, []int{61}, turns)
	require.Equal(t, 61, out.Turns)
}

// The turns of messages that a conversation is started with count too.
func TestGivenTurnsCount(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	var turn int
	s.reply = func(_ context.Context, _ int, in activities.ReplyInput) (activities.ReplyResult, error) {
		turn = in.Turn
		return activities.ReplyResult{End: true}, nil
	}
	in := input("mem")
	in.Side, in.Start = workflows.SideTransport, &workflows.Start{Messages: talked(3)}
	s.run(in)
	require.Equal(t, 4, turn)
	require.Equal(t, 3, s.outcome().Turns)
}

// A transcript that differs from what was sent, once the agent has spoken, parks the
// conversation with the difference. Resumed, it goes on from what the platform holds.
func TestDivergedParks(t *testing.T) {
	t.Parallel()
	for _, kind := range []conversation.Kind{conversation.Diverged, conversation.Claimed} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			var before []int
			s.exchange = func(_ context.Context, n int, in activities.ExchangeInput) (activities.ExchangeResult, error) {
				before = append(before, in.Before)
				switch n {
				case 1: // the opening
					return answered(in), nil
				case 2:
					in.Turn = 1
					return answered(in), nil
				case 3:
					return activities.ExchangeResult{}, fails(kind, "the platform holds another message", activities.ErrorDetails{Remedy: "remove the other worker"})
				}
				return answered(in), nil
			}
			s.context = func(n int, _ activities.ContextInput) (activities.ContextResult, error) {
				if n == 1 {
					return activities.ContextResult{RunID: runID, State: platforms.StateOpen}, nil
				}
				return holds(5, 3), nil
			}
			var asked []activities.ReplyInput
			s.reply = func(_ context.Context, _ int, in activities.ReplyInput) (activities.ReplyResult, error) {
				asked = append(asked, in)
				return says("answer"), nil
			}
			var parked workflows.Status
			s.after(time.Hour, func() {
				parked = s.status()
				s.update(workflows.UpdateResume, workflows.ResumeRequest{})
			})
			s.run(input("mem"))
			out := s.outcome()
			require.Equal(t, workflows.StateNeedsAttention, parked.State)
			require.Equal(t, "the platform holds another message", parked.Attention.Reason)
			require.Equal(t, "remove the other worker", parked.Attention.Remedy)
			require.Equal(t, conversation.OutcomeEnded, out.Kind, out.Detail)
			require.Equal(t, []int{0, 1, 3, 11}, before)
			last := asked[len(asked)-1]
			require.Equal(t, 6, last.Turn)
			require.Equal(t, 8, last.Before, "what is not among New is read from the platform")
			require.Equal(t, talked(5)[8:], last.New)
			require.Equal(t, 1, last.Reconciled, "a key of before does not come again")
			require.Equal(t, 6, out.Turns)
		})
	}
}

// Before the agent has spoken, another's messages mean that the claim is lost.
func TestForeignBeforeTheAgentSpeaksIsALostClaim(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.exchange = func(_ context.Context, n int, in activities.ExchangeInput) (activities.ExchangeResult, error) {
		return activities.ExchangeResult{}, fails(conversation.Claimed, "another speaks", activities.ErrorDetails{})
	}
	s.run(input("mem"))
	require.Equal(t, conversation.OutcomeClaimLost, s.outcome().Kind)
}

// An exchange that may have arrived is not sent again by guess: the conversation parks,
// reads the transcript again after one, two, four … minutes, and goes on by itself.
func TestAmbiguousHeals(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	begin := s.env.Now()
	var looks []time.Duration
	s.exchange = func(_ context.Context, _ int, in activities.ExchangeInput) (activities.ExchangeResult, error) {
		require.False(t, in.Resend)
		switch {
		case in.Turn != 1:
			return answered(in), nil
		case in.ReadOnly:
			looks = append(looks, s.env.Now().Sub(begin).Round(time.Minute))
			if len(looks) == 4 {
				return answered(in), nil
			}
			require.NotNil(t, in.Tried)
		}
		return activities.ExchangeResult{}, fails(conversation.Ambiguous, "it may have arrived", activities.ErrorDetails{Ambiguous: true, Mark: &activities.Mark{Sends: 1}})
	}
	var parked workflows.Status
	s.after(5*time.Minute, func() { parked = s.status() })
	s.run(input("mem"))
	out := s.outcome()
	require.Equal(t, conversation.OutcomeEnded, out.Kind)
	require.Equal(t, 2, out.Turns)
	require.Equal(t, []time.Duration{time.Minute, 3 * time.Minute, 7 * time.Minute, 15 * time.Minute}, looks)
	require.Equal(t, workflows.StateNeedsAttention, parked.State)
	require.Equal(t, 7*time.Minute, parked.Attention.NextCheck.Sub(begin).Round(time.Minute))
	require.Contains(t, parked.Attention.Choices(), "send the message again")
}

// Looks become a day apart, and no more: an hour in histories of before edition 1.
func TestAmbiguousLooksDaily(t *testing.T) {
	t.Parallel()
	for edition, want := range map[int]int{0: 5 + 239, workflows.Edition: 11 + 9} {
		looks := ambiguousLooks(t, edition, 10*24*time.Hour)
		require.InDelta(t, want, looks, 2, "edition %d", edition)
	}
}

func ambiguousLooks(t *testing.T, edition int, waits time.Duration) (looks int) {
	s := newStage(t)
	s.exchange = func(_ context.Context, _ int, in activities.ExchangeInput) (activities.ExchangeResult, error) {
		if in.ReadOnly {
			if looks++; looks%2 == 0 {
				return activities.ExchangeResult{}, down() // says nothing: it is looked at later
			}
		}
		return activities.ExchangeResult{}, fails(conversation.Ambiguous, "it may have arrived", activities.ErrorDetails{})
	}
	s.after(waits, func() { s.update(workflows.UpdateEnd, workflows.EndRequest{}) })
	in := input("mem").WithDefaults()
	in.Edition = edition
	s.run(in)
	require.Equal(t, conversation.EndedByOperator, s.outcome().EndedBy)
	require.Equal(t, 1, s.called(activities.EndName))
	return looks
}

// A person's resume sends the message again, once.
func TestAmbiguousResumedSendsOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	var resends []bool
	s.exchange = func(_ context.Context, _ int, in activities.ExchangeInput) (activities.ExchangeResult, error) {
		if in.Turn != 1 || len(resends) == 3 {
			return answered(in), nil
		}
		if !in.ReadOnly {
			resends = append(resends, in.Resend)
		}
		return activities.ExchangeResult{}, fails(conversation.Ambiguous, "it may have arrived", activities.ErrorDetails{})
	}
	for _, at := range []time.Duration{30 * time.Second, 10 * time.Hour} {
		s.after(at, func() { s.update(workflows.UpdateResume, workflows.ResumeRequest{}) })
	}
	s.run(input("mem"))
	require.Equal(t, conversation.OutcomeEnded, s.outcome().Kind)
	require.Equal(t, []bool{false, true, true}, resends)
}

// A look that finds other messages than ours ends the looking: people decide.
func TestAmbiguousBecomesDiverged(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	looks := 0
	s.exchange = func(_ context.Context, _ int, in activities.ExchangeInput) (activities.ExchangeResult, error) {
		switch {
		case in.Turn != 1 || looks > 0 && !in.ReadOnly:
			return answered(in), nil
		case in.ReadOnly:
			looks++
			return activities.ExchangeResult{}, fails(conversation.Diverged, "two messages of ours", activities.ErrorDetails{})
		}
		return activities.ExchangeResult{}, fails(conversation.Ambiguous, "it may have arrived", activities.ErrorDetails{})
	}
	s.context = func(n int, _ activities.ContextInput) (activities.ContextResult, error) {
		if n == 1 {
			return activities.ContextResult{RunID: runID, State: platforms.StateOpen}, nil
		}
		return holds(1, 3), nil
	}
	var parked workflows.Status
	s.after(3*time.Hour, func() {
		parked = s.status()
		s.update(workflows.UpdateResume, workflows.ResumeRequest{})
	})
	s.run(input("mem"))
	out := s.outcome()
	require.Equal(t, 1, looks)
	require.Equal(t, conversation.Diverged, parked.Attention.Kind)
	require.Zero(t, parked.Attention.NextCheck)
	require.Equal(t, conversation.OutcomeEnded, out.Kind)
	require.Equal(t, 2, s.called(activities.ContextName))
	require.Equal(t, 2, out.Turns)
}

// A run that was reset reads the conversation anew at whatever step it finds out, and
// goes on from what the platform holds.
func TestResetReadsTheConversationAnew(t *testing.T) {
	t.Parallel()
	for name, reset := range map[string]func(s *stage, once func() bool){
		"claim": func(s *stage, once func() bool) {
			s.claim = func(int, activities.ClaimInput) (activities.ClaimResult, error) {
				once()
				return activities.ClaimResult{}, wasReset("run2")
			}
		},
		"reply": func(s *stage, once func() bool) {
			next := s.reply
			s.reply = func(ctx context.Context, n int, in activities.ReplyInput) (activities.ReplyResult, error) {
				if once() {
					return activities.ReplyResult{}, wasReset("run2")
				}
				return next(ctx, n, in)
			}
		},
		"tool": func(s *stage, once func() bool) {
			next := s.reply
			s.reply = func(ctx context.Context, n int, in activities.ReplyInput) (activities.ReplyResult, error) {
				if n == 1 {
					return callsTool(), nil
				}
				return next(ctx, n, in)
			}
			s.tool = func(context.Context, int, activities.CallToolInput) (activities.CallToolResult, error) {
				once()
				return activities.CallToolResult{}, wasReset("run2")
			}
		},
		"exchange": func(s *stage, once func() bool) {
			next := s.exchange
			s.exchange = func(ctx context.Context, n int, in activities.ExchangeInput) (activities.ExchangeResult, error) {
				if once() {
					return activities.ExchangeResult{}, wasReset("run2")
				}
				return next(ctx, n, in)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			found := false
			s.context = func(int, activities.ContextInput) (activities.ContextResult, error) {
				if !found {
					return activities.ContextResult{RunID: runID, State: platforms.StateOpen}, nil
				}
				out := holds(3, 7)
				out.RunID = "run2"
				return out, nil
			}
			var asked []activities.ReplyInput
			s.reply = func(_ context.Context, _ int, in activities.ReplyInput) (activities.ReplyResult, error) {
				if found {
					asked = append(asked, in)
				}
				return says("answer"), nil
			}
			s.exchange = func(_ context.Context, _ int, in activities.ExchangeInput) (activities.ExchangeResult, error) {
				if found {
					require.Equal(t, "run2", in.Run)
					require.Equal(t, 7, in.Before)
				}
				return answered(in), nil
			}
			reset(s, func() bool {
				if found {
					return false
				}
				found = true
				return true
			})
			in := input("mem")
			in.Policy.Tools = []string{"tools"}
			s.run(in)
			out := s.outcome()
			require.Equal(t, conversation.OutcomeEnded, out.Kind, out.Detail)
			require.Len(t, asked, 1, "nothing is bought again that is on the platform")
			require.Equal(t, 4, asked[0].Turn)
			require.Equal(t, "run2", asked[0].Run)
			require.True(t, asked[0].Resume.Asked, "what must run at most once may have run before")
			require.Equal(t, talked(3), asked[0].New)
			require.Equal(t, 4, out.Turns)
			require.Equal(t, 9, out.Messages)
		})
	}
}

// A conversation that has ended on its platform meanwhile has ended.
func TestResetAfterTheEnd(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.context = func(n int, _ activities.ContextInput) (activities.ContextResult, error) {
		if n == 1 {
			return activities.ContextResult{RunID: runID, State: platforms.StateOpen}, nil
		}
		out := holds(3, 7)
		out.State, out.EndedBy, out.EndDetail = platforms.StateEnded, conversation.EndedByPersona, "content"
		return out, nil
	}
	s.exchange = func(context.Context, int, activities.ExchangeInput) (activities.ExchangeResult, error) {
		return activities.ExchangeResult{}, wasReset("run2")
	}
	s.run(input("mem"))
	out := s.outcome()
	require.Equal(t, "ended by persona", out.String())
	require.Equal(t, 3, out.Turns)
	require.Equal(t, 7, out.Messages)
	require.Zero(t, s.called(activities.ReplyName))
	require.Zero(t, s.called(activities.EndName))
}

// A reset to the last step ends the conversation, which does no harm where it has ended.
func TestResetBeforeTheEnd(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.reply = func(context.Context, int, activities.ReplyInput) (activities.ReplyResult, error) {
		return activities.ReplyResult{End: true}, nil
	}
	var runs []string
	s.end = func(n int, in activities.EndInput) (activities.EndResult, error) {
		runs = append(runs, in.Run)
		if n == 1 {
			return activities.EndResult{}, wasReset("run2")
		}
		return activities.EndResult{EndedBy: conversation.EndedByAgent, Count: 5, Turns: 2}, nil
	}
	s.run(input("mem"))
	out := s.outcome()
	require.Equal(t, []string{runID, "run2"}, runs)
	require.Equal(t, 2, out.Turns)
	require.Equal(t, 5, out.Messages)
}

// A platform without a transcript cannot say what was said after the reset: nothing is
// said twice by guess.
func TestResetWithoutATranscriptIsRefused(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.context = func(int, activities.ContextInput) (activities.ContextResult, error) {
		return activities.ContextResult{RunID: "run2", State: platforms.StateUnknown}, nil
	}
	s.exchange = func(context.Context, int, activities.ExchangeInput) (activities.ExchangeResult, error) {
		return activities.ExchangeResult{}, wasReset("run2")
	}
	in := input("mem")
	in.Side, in.Start = workflows.SideTransport, &workflows.Start{}
	s.run(in)
	require.ErrorContains(t, s.env.GetWorkflowError(), "keeps no transcript")
	require.Equal(t, 1, s.called(activities.ExchangeName))
}

// An operator's answer that Temporal applies once more after a reset is not sent twice.
func TestResetDropsAnAnswerThatWasSent(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.context = func(n int, _ activities.ContextInput) (activities.ContextResult, error) {
		if n == 1 {
			return activities.ContextResult{RunID: runID, State: platforms.StateOpen}, nil
		}
		out := holds(1, 3)
		out.Messages[1] = conversation.Text(conversation.RoleAssistant, "by a person")
		return out, nil
	}
	s.reply = func(ctx context.Context, n int, _ activities.ReplyInput) (activities.ReplyResult, error) {
		if n == 1 {
			return activities.ReplyResult{}, wasReset("run2")
		}
		return says("by the agent"), nil
	}
	s.exchange = func(_ context.Context, n int, in activities.ExchangeInput) (activities.ExchangeResult, error) {
		if n == 1 {
			s.update(workflows.UpdateTakeover, workflows.TakeoverRequest{Text: "by a person"})
			return activities.ExchangeResult{}, wasReset("run2")
		}
		require.NotEqual(t, "by a person", in.Messages[0].Text())
		return answered(in), nil
	}
	s.run(input("mem"))
	require.Equal(t, conversation.OutcomeEnded, s.outcome().Kind)
}

// A task goes on after a reset only while its claim is this workflow's.
func TestResetOfATask(t *testing.T) {
	t.Parallel()
	for _, ours := range []bool{true, false} {
		t.Run(fmt.Sprint(ours), func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.claim = func(int, activities.ClaimInput) (activities.ClaimResult, error) {
				return activities.ClaimResult{Claimed: true, Receipt: &platforms.Receipt{ExecutionID: "e"}}, nil
			}
			s.context = func(int, activities.ContextInput) (activities.ContextResult, error) {
				return activities.ContextResult{RunID: runID, State: platforms.StateOpen, Context: conversation.Context{Task: &conversation.Task{}}}, nil
			}
			s.reply = func(_ context.Context, n int, in activities.ReplyInput) (activities.ReplyResult, error) {
				if n == 1 {
					return activities.ReplyResult{}, wasReset("run2")
				}
				require.Equal(t, "run2", in.Run)
				require.True(t, in.Resume.Asked)
				return says("done"), nil
			}
			s.held = func(_ int, in activities.FindClaimInput) (activities.FindClaimResult, error) {
				require.NotEmpty(t, in.Run, "the run that made the claim")
				require.NotEqual(t, "run2", in.Run)
				if !ours {
					return activities.FindClaimResult{}, nil
				}
				return activities.FindClaimResult{Ours: true, Receipt: &platforms.Receipt{ExecutionID: "e"}}, nil
			}
			s.run(listedTask("mem"))
			out := s.outcome()
			require.Contains(t, out.Detail, "reset")
			if ours {
				require.Equal(t, conversation.TaskSuccess, out.Task.Status)
				require.Equal(t, 1, s.called(activities.ReportName))
				return
			}
			require.Equal(t, 1, s.called(activities.ReplyName))
			require.Zero(t, s.called(activities.ReportName))
			require.Equal(t, conversation.EndedByPlatform, out.EndedBy)
		})
	}
}

// Nothing was sent anywhere by a direct conversation: it just goes on.
func TestResetOfADirectConversation(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.reply = func(_ context.Context, n int, in activities.ReplyInput) (activities.ReplyResult, error) {
		if n == 1 {
			return activities.ReplyResult{}, wasReset("run2")
		}
		require.Equal(t, "run2", in.Run)
		return activities.ReplyResult{Message: conversation.Text(conversation.RoleAssistant, "hi"), End: true}, nil
	}
	in := input("direct")
	in.Side = workflows.SideDirect
	s.after(time.Second, func() { s.update(workflows.UpdateSend, workflows.SendRequest{ID: "m1", Text: "hello"}) })
	s.run(in)
	out := s.outcome()
	require.Equal(t, 1, out.Turns)
	require.Equal(t, 2, out.Messages)
	require.Zero(t, s.called(activities.ContextName))
}

// What the run that was reset was sending may arrive later: the conversation is read
// until nothing comes any more, before anything is said.
func TestResetWaitsForWhatWasSent(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.context = func(n int, _ activities.ContextInput) (activities.ContextResult, error) {
		out := activities.ContextResult{RunID: runID, State: platforms.StateOpen}
		if n > 1 {
			out = holds(min(n-1, 2), 3)
			out.RunID = "run2"
		}
		out.Settle = 20 * time.Second
		return out, nil
	}
	s.reply = func(_ context.Context, n int, in activities.ReplyInput) (activities.ReplyResult, error) {
		if n == 1 {
			return activities.ReplyResult{}, wasReset("run2")
		}
		require.Equal(t, 3, in.Turn)
		return says("answer"), nil
	}
	begin := s.env.Now()
	s.run(input("mem"))
	require.Equal(t, 3, s.outcome().Turns)
	require.Equal(t, 4, s.called(activities.ContextName))
	require.Equal(t, 40*time.Second, s.env.Now().Sub(begin).Round(time.Second))
}
