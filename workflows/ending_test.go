package workflows_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/workflows"
)

// hang waits until the activity is cancelled, as one whose answer does not come.
func hang(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
			activity.RecordHeartbeat(ctx)
		}
	}
}

// Whatever step hangs when a conversation is ended or cancelled, nothing of it is left
// on the platform: what is ours is ended there, also where only the platform knows that
// it is ours.
func TestEndWhileAStepHangs(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		hangs func(s *stage, begun func())
		// held is what the platform says of an ambiguous claim.
		held      activities.FindClaimResult
		asks      bool
		ends      bool
		turns     int
		platforms int // turns that the platform knows of
		// after is the time from the beginning of the step to the end or cancellation.
		after time.Duration
	}{
		"claim, which is ours": {
			hangs: func(s *stage, begun func()) {
				s.claim = func(int, activities.ClaimInput) (activities.ClaimResult, error) {
					begun()
					return activities.ClaimResult{}, fails(conversation.Unavailable, "cut off", activities.ErrorDetails{Ambiguous: true})
				}
			},
			held: activities.FindClaimResult{Ours: true}, asks: true, ends: true,
		},
		"claim, which is a rival's": {
			hangs: func(s *stage, begun func()) {
				s.claim = func(int, activities.ClaimInput) (activities.ClaimResult, error) {
					begun()
					return activities.ClaimResult{}, fails(conversation.Unavailable, "cut off", activities.ErrorDetails{Ambiguous: true})
				}
			},
			asks: true,
		},
		"claim, which has not landed": {
			hangs: func(s *stage, begun func()) {
				s.claim = func(int, activities.ClaimInput) (activities.ClaimResult, error) {
					begun()
					return activities.ClaimResult{}, fails(conversation.Unauthorized, "wrong key", activities.ErrorDetails{})
				}
			},
			after: time.Minute, // it is parked by then
		},
		"context": {
			hangs: func(s *stage, begun func()) {
				s.context = func(int, activities.ContextInput) (activities.ContextResult, error) {
					begun()
					return activities.ContextResult{}, down()
				}
			},
			ends: true,
		},
		"reply": {
			hangs: func(s *stage, begun func()) {
				s.reply = func(ctx context.Context, _ int, _ activities.ReplyInput) (activities.ReplyResult, error) {
					begun()
					return activities.ReplyResult{}, hang(ctx)
				}
			},
			ends: true,
		},
		"exchange whose message has arrived": {
			hangs: func(s *stage, begun func()) {
				s.exchange = func(ctx context.Context, _ int, in activities.ExchangeInput) (activities.ExchangeResult, error) {
					if in.Turn == 0 {
						return answered(in), nil
					}
					begun()
					return activities.ExchangeResult{}, hang(ctx)
				}
			},
			ends: true, platforms: 1, turns: 1,
		},
		"tool": {
			hangs: func(s *stage, begun func()) {
				s.reply = func(context.Context, int, activities.ReplyInput) (activities.ReplyResult, error) {
					return callsTool(), nil
				}
				s.tool = func(ctx context.Context, _ int, _ activities.CallToolInput) (activities.CallToolResult, error) {
					begun()
					return activities.CallToolResult{}, hang(ctx)
				}
			},
			ends: true,
		},
	} {
		for _, how := range []string{"end", "cancel"} {
			t.Run(name+"/"+how, func(t *testing.T) {
				t.Parallel()
				s := newStage(t)
				once := false
				tt.hangs(s, func() {
					if once {
						return
					}
					once = true
					s.after(tt.after, func() {
						if how == "cancel" {
							s.env.CancelWorkflow()
							return
						}
						s.update(workflows.UpdateEnd, workflows.EndRequest{Reason: "enough"})
					})
				})
				s.held = func(int, activities.FindClaimInput) (activities.FindClaimResult, error) { return tt.held, nil }
				s.end = func(int, activities.EndInput) (activities.EndResult, error) {
					return activities.EndResult{Turns: tt.platforms, EndedBy: conversation.EndedByAgent}, nil
				}
				s.env.OnSignalExternalWorkflow(mock.Anything, mock.Anything, mock.Anything, mock.Anything, mock.Anything).Return(nil).Maybe()
				in := input("mem")
				in.Policy.Tools = []string{"tools"}
				s.run(in)
				require.True(t, s.env.IsWorkflowCompleted())
				require.Equal(t, tt.asks, s.called(activities.FindClaimName) > 0, "whether the platform was asked whose the claim is")
				require.Equal(t, tt.ends, s.called(activities.EndName) > 0, "whether it was ended on the platform")
				out := s.status().Outcome
				require.NotNil(t, out)
				require.Equal(t, tt.turns, out.Turns)
				if how == "end" {
					require.Equal(t, conversation.OutcomeEnded, out.Kind)
					require.Equal(t, conversation.EndedByOperator, out.EndedBy)
				} else {
					require.Equal(t, conversation.OutcomeCancelled, out.Kind)
				}
			})
		}
	}
}

func callsTool() activities.ReplyResult {
	return activities.ReplyResult{
		Message: conversation.Message{Role: conversation.RoleAssistant, Parts: []conversation.Part{
			{Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{ID: "1", Name: "find"}},
		}},
		Calls: []activities.PlannedCall{{CallID: "1", Tool: "find", Set: "tools", Name: "find"}},
	}
}

// A task whose claim is ambiguous when it is ended is acknowledged if it is ours.
func TestEndWhileATaskIsClaimed(t *testing.T) {
	t.Parallel()
	for _, ours := range []bool{true, false} {
		t.Run(fmt.Sprint(ours), func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.claim = func(n int, _ activities.ClaimInput) (activities.ClaimResult, error) {
				if n == 1 {
					s.after(0, func() { s.update(workflows.UpdateEnd, workflows.EndRequest{}) })
				}
				return activities.ClaimResult{}, fails(conversation.Unavailable, "cut off", activities.ErrorDetails{Ambiguous: true})
			}
			s.context = func(int, activities.ContextInput) (activities.ContextResult, error) {
				return activities.ContextResult{RunID: runID, State: platforms.StateOpen, Context: conversation.Context{Task: &conversation.Task{}}}, nil
			}
			s.held = func(int, activities.FindClaimInput) (activities.FindClaimResult, error) {
				if ours {
					return activities.FindClaimResult{Ours: true, Receipt: &platforms.Receipt{ExecutionID: "e"}}, nil
				}
				return activities.FindClaimResult{}, nil
			}
			s.run(listedTask("mem"))
			out := s.outcome()
			require.Equal(t, ours, s.called(activities.ReportName) == 1)
			require.Zero(t, s.called(activities.EndName))
			require.Zero(t, s.called(activities.ReplyName))
			if ours {
				require.True(t, out.Task.Acknowledged)
			}
		})
	}
}

// A conversation that is cancelled at the moment at which it would continue as new ends:
// the next run would not know of it.
func TestCancelWhileContinuingAsNew(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.exchange = func(_ context.Context, _ int, in activities.ExchangeInput) (activities.ExchangeResult, error) {
		if in.Turn == 1 {
			s.env.SetContinueAsNewSuggested(true)
			s.env.CancelWorkflow()
		}
		return answered(in), nil
	}
	s.run(input("mem"))
	require.True(t, s.env.IsWorkflowCompleted())
	var again *workflow.ContinueAsNewError
	require.NotErrorAs(t, s.env.GetWorkflowError(), &again)
	require.Equal(t, conversation.OutcomeCancelled, s.status().Outcome.Kind)
	require.Equal(t, 1, s.called(activities.EndName))
}

// An end that arrives at that moment goes along.
func TestEndWhileContinuingAsNew(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run(workflows.ConversationInput{
		Ref: input("mem").Ref, Side: workflows.SidePlatform,
		Carried: &workflows.Carried{Turn: 3, Count: 6, End: &workflows.EndRequest{Reason: "enough"}},
	})
	out := s.outcome()
	require.Equal(t, conversation.EndedByOperator, out.EndedBy)
	require.Equal(t, "enough", out.Detail)
	require.Equal(t, 1, s.called(activities.EndName))
	require.Zero(t, s.called(activities.ReplyName))
}
