package workflows_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/workflows"
)

// A step has so many attempts, whether one worker makes them or several hand it over to
// each other, because they stop or because its turn under a rate limit is to come. What
// is handed over uses none.
func TestAttemptsCountOverHandOvers(t *testing.T) {
	t.Parallel()
	const attempts = 4
	policy := conversation.Policy{
		ReplyAttempts: attempts, PlatformAttempts: attempts, ToolAttempts: attempts, OnExhausted: conversation.EndConversation, Tools: []string{"tools"},
	}
	calls := activities.ReplyResult{
		Message: conversation.Message{Role: conversation.RoleAssistant, Parts: []conversation.Part{
			{Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{ID: "1", Name: "find"}},
		}},
		Calls: []activities.PlannedCall{{CallID: "1", Tool: "find", Set: "tools", Name: "find"}},
	}
	// Every second call hands over, having seen the failure of the one before: so a step
	// of four attempts is called eight times, where each activity would have four anew.
	for name, script := range map[string]func(*stage) (activity string){
		"reply": func(s *stage) string {
			s.reply = func(_ context.Context, n int, in activities.ReplyInput) (activities.ReplyResult, error) {
				if n%2 == 0 {
					tries := 1
					if in.Resume != nil {
						tries += in.Resume.Failed
					}
					return activities.ReplyResult{HandedOver: true, Wait: time.Minute, Resume: &activities.ReplyProgress{Failed: tries}}, nil
				}
				return activities.ReplyResult{}, down()
			}
			return activities.ReplyName
		},
		"claim": func(s *stage) string {
			s.claim = func(n int, _ activities.ClaimInput) (activities.ClaimResult, error) {
				if n%2 == 0 {
					return activities.ClaimResult{HandedOver: true, Failed: 1}, nil
				}
				return activities.ClaimResult{}, down()
			}
			return activities.ClaimName
		},
		"context": func(s *stage) string {
			s.context = func(n int, _ activities.ContextInput) (activities.ContextResult, error) {
				if n%2 == 0 {
					return activities.ContextResult{HandedOver: true, Failed: 1}, nil
				}
				return activities.ContextResult{}, down()
			}
			return activities.ContextName
		},
		"exchange": func(s *stage) string {
			s.exchange = func(_ context.Context, n int, _ activities.ExchangeInput) (activities.ExchangeResult, error) {
				if n%2 == 0 {
					return activities.ExchangeResult{HandedOver: true, Failed: 1}, nil
				}
				return activities.ExchangeResult{}, down()
			}
			return activities.ExchangeName
		},
		"tool": func(s *stage) string {
			s.reply = func(_ context.Context, n int, in activities.ReplyInput) (activities.ReplyResult, error) {
				if in.Turn == 1 && in.Round == 0 {
					return calls, nil
				}
				return says("without"), nil
			}
			s.tool = func(_ context.Context, n int, _ activities.CallToolInput) (activities.CallToolResult, error) {
				if n%2 == 0 {
					return activities.CallToolResult{HandedOver: true, Failed: 1}, nil
				}
				return activities.CallToolResult{}, down()
			}
			return activities.CallToolName
		},
		"end": func(s *stage) string {
			s.reply = func(context.Context, int, activities.ReplyInput) (activities.ReplyResult, error) {
				return activities.ReplyResult{End: true}, nil
			}
			s.end = func(n int, _ activities.EndInput) (activities.EndResult, error) {
				if n%2 == 0 {
					return activities.EndResult{HandedOver: true, Failed: 1}, nil
				}
				return activities.EndResult{}, down()
			}
			return activities.EndName
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			activity := script(s)
			in := input("mem")
			in.Policy = policy
			s.run(in)
			require.True(t, s.env.IsWorkflowCompleted())
			require.Equal(t, 2*attempts-1, s.called(activity), "the fourth failure is the last")
		})
	}
}

// A rate limit in front of an outage does not keep a conversation trying for ever.
func TestOutageBehindARateLimitParks(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.reply = func(_ context.Context, n int, in activities.ReplyInput) (activities.ReplyResult, error) {
		resume := activities.ReplyProgress{}
		if in.Resume != nil {
			resume = *in.Resume
		}
		if n%3 != 0 {
			// Its turn is not there yet: no attempt. It has failed once before, where n is 1
			// more than a multiple of three.
			if n%3 == 1 && n > 1 {
				resume.Failed++
			}
			return activities.ReplyResult{HandedOver: true, Wait: time.Second, Resume: &resume}, nil
		}
		return activities.ReplyResult{}, down()
	}
	var parked workflows.Status
	s.after(2*time.Hour, func() {
		parked = s.status()
		s.update(workflows.UpdateEnd, workflows.EndRequest{})
	})
	in := input("mem")
	in.Policy.ReplyAttempts = 10
	s.run(in)
	s.outcome()
	require.Equal(t, workflows.StateNeedsAttention, parked.State)
	require.Equal(t, "down", parked.Attention.Reason)
	require.LessOrEqual(t, s.called(activities.ReplyName), 30)
}

// After an operator has resumed a step, it has all its attempts again.
func TestResumeGivesAllAttemptsAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.exchange = func(_ context.Context, n int, in activities.ExchangeInput) (activities.ExchangeResult, error) {
		if n <= 7 {
			return activities.ExchangeResult{}, down()
		}
		return answered(in), nil
	}
	s.after(time.Hour, func() { s.update(workflows.UpdateResume, workflows.ResumeRequest{}) })
	in := input("mem")
	in.Policy.PlatformAttempts = 4
	s.run(in)
	require.Equal(t, conversation.OutcomeEnded, s.outcome().Kind)
}

// Callbacks and acknowledgements of tasks count over hand-overs too.
func TestTaskEndsCountOverHandOvers(t *testing.T) {
	t.Parallel()
	retries := 3
	s := newStage(t)
	s.claim = func(int, activities.ClaimInput) (activities.ClaimResult, error) {
		return activities.ClaimResult{Claimed: true, Receipt: &platforms.Receipt{ExecutionID: "e"}}, nil
	}
	s.context = func(int, activities.ContextInput) (activities.ContextResult, error) {
		return activities.ContextResult{RunID: runID, State: platforms.StateOpen, Context: conversation.Context{
			Task: &conversation.Task{Callback: &conversation.Callback{URL: "http://cb.example", Retries: &retries}},
		}}, nil
	}
	var made []int
	s.deliver = func(n int, in activities.DeliverInput) (activities.DeliverResult, error) {
		made = append(made, in.Made)
		require.Equal(t, 4, in.Attempts)
		if n%2 == 0 {
			return activities.DeliverResult{HandedOver: true, Failed: 1}, nil
		}
		if in.Made == 3 {
			return activities.DeliverResult{Delivery: conversation.Delivery{State: conversation.DeliveryFailed, Attempts: 4, Error: "gone"}}, nil
		}
		return activities.DeliverResult{}, down()
	}
	acknowledged := 0
	s.report = func(n int, in activities.ReportInput) (activities.ReportResult, error) {
		if n == 1 {
			return activities.ReportResult{HandedOver: true, Tried: &activities.Mark{Sends: 1}}, nil
		}
		require.Equal(t, 1, in.Tried.Sends)
		acknowledged++
		return activities.ReportResult{}, nil
	}
	s.run(listedTask("mem"))
	out := s.outcome()
	require.Equal(t, []int{0, 0, 1, 1, 2, 2, 3}, made)
	require.Equal(t, conversation.DeliveryFailed, out.Task.Delivery.State)
	require.Equal(t, "gone", out.Task.Delivery.Error)
	require.True(t, out.Task.Acknowledged)
	require.Equal(t, 1, acknowledged)
}

// A step that is retried is seen: in the status and in the details. It is not any
// more once it has its result, and a report that comes late changes nothing.
func TestRetryingIsShown(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	next := s.env.Now().Add(40 * time.Second).UTC()
	var id string
	var during, later workflows.Status
	s.exchange = func(ctx context.Context, n int, in activities.ExchangeInput) (activities.ExchangeResult, error) {
		if n == 1 {
			id = activityID(ctx)
			s.env.SignalWorkflow(workflows.SignalAttempt, activities.AttemptReport{
				Step: "exchange", ActivityID: id, Attempt: 1, Kind: conversation.Unavailable, Reason: "connection `refused`", Next: next,
			})
			s.after(time.Millisecond*500, func() { during = s.status() })
			return activities.ExchangeResult{}, down()
		}
		return answered(in), nil
	}
	s.reply = func(ctx context.Context, n int, _ activities.ReplyInput) (activities.ReplyResult, error) {
		if n == 1 {
			s.env.SignalWorkflow(workflows.SignalAttempt, activities.AttemptReport{ActivityID: id, Attempt: 2, Reason: "late"})
			s.after(0, func() { later = s.status() })
		}
		return says("answer"), nil
	}
	s.run(input("mem"))
	s.outcome()
	require.Len(t, during.Retrying, 1)
	require.Equal(t, workflows.Retrying{
		ID: id, Step: "opening", Attempt: 1, Of: conversation.DefaultPlatformAttempts,
		Kind: conversation.Unavailable, Reason: "connection `refused`", Next: next,
	}, during.Retrying[0])
	require.Empty(t, later.Retrying)
	require.Equal(t, "attempt 1 of 20 failed: connection `refused`; the next at "+next.Format("15:04:05 UTC"), during.Retrying[0].String())
}
