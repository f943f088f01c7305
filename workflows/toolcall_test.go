package workflows_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/workflows"
)

const (
	unknownOutcome = "the outcome of the call is unknown: its answer was lost; it may have been done"
	notMade        = "the tool could not be reached: the call was not made"
)

// lostCall is the failure of a call that must not be made again.
func lostCall() error {
	return fails(conversation.Ambiguous, "its answer was lost", activities.ErrorDetails{Ambiguous: true, Mark: &activities.Mark{Time: time.Now(), Sends: 1}})
}

// final ends the retries of an activity with an error of the SDK.
func final(err error) error {
	return temporal.NewApplicationErrorWithOptions("x", "x", temporal.ApplicationErrorOptions{NonRetryable: true, Cause: err})
}

// What the model is told of a call that has failed depends on whether it may have been
// made, and an operator is asked about it only where the tool asks.
func TestFailedToolCalls(t *testing.T) {
	t.Parallel()
	mark := &activities.Mark{Time: time.Now(), Sends: 1}
	for name, tt := range map[string]struct {
		err error
		// unknown means that it may have been made, asks that an operator can be asked.
		unknown, asks bool
	}{
		"refused":                 {err: fails(conversation.Invalid, "no such tool", activities.ErrorDetails{})},
		"a wrong key":             {err: fails(conversation.Unauthorized, "401", activities.ErrorDetails{})},
		"unreachable":             {err: down()},
		"lost":                    {lostCall(), true, true},
		"lost, then refused":      {fails(conversation.Unauthorized, "401", activities.ErrorDetails{Mark: mark}), true, true},
		"lost, all attempts":      {fails(conversation.Unavailable, "cut off", activities.ErrorDetails{Ambiguous: true, Mark: mark}), true, true},
		"lost, without a mark":    {err: fails(conversation.Invalid, "cut off", activities.ErrorDetails{Ambiguous: true}), unknown: true},
		"killed in the call":      {temporal.NewHeartbeatTimeoutError(*mark), true, true},
		"killed before the call":  {err: temporal.NewHeartbeatTimeoutError()},
		"killed, the mark undone": {err: temporal.NewHeartbeatTimeoutError(activities.Mark{})},
		"an error not known":      {final(nil), true, true},
	} {
		for _, ask := range []bool{false, true} {
			t.Run(name+map[bool]string{true: ", asked"}[ask], func(t *testing.T) {
				t.Parallel()
				s, results := toolStage(t, activities.PlannedCall{CallID: "1", Tool: "refund", Set: "shop", Name: "refund", Ask: ask})
				s.tool = func(context.Context, int, activities.CallToolInput) (activities.CallToolResult, error) {
					return activities.CallToolResult{}, tt.err
				}
				asked := 0
				decide := func() {
					for _, a := range s.status().Approvals {
						asked++
						require.Equal(t, asked == 2, a.Lost != "")
						s.approve(workflows.ApproveRequest{Deny: a.Lost != "", Reason: map[bool]string{true: "it is in the books"}[a.Lost != ""]})
					}
				}
				for i := range 20 {
					s.after(time.Duration(1+i)*time.Minute, decide)
				}
				s.run(toolInput())
				require.Equal(t, conversation.OutcomeEnded, s.outcome().Kind)
				want := map[bool]string{false: notMade, true: unknownOutcome}[tt.unknown]
				if ask && tt.asks {
					want += "; an operator says: it is in the books"
				}
				got := (*results)[0]
				require.Equal(t, want, got.Content)
				require.True(t, got.IsError)
				require.Empty(t, got.Decision, "it is not known that it was not made")
				switch {
				case !ask:
					require.Zero(t, asked)
				case tt.asks:
					require.Equal(t, 2, asked)
					require.Equal(t, conversation.ChoiceNotAgain, got.Decisions[1].Choice)
				default:
					require.Equal(t, 1, asked)
				}
			})
		}
	}
}

// An operator decides whether a lost call is made again.
func TestLostCallDecisions(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		loses  int // how many answers are lost
		decide []workflows.ApproveRequest
		want   string
		calls  int
		chosen string
	}{
		"again":              {1, []workflows.ApproveRequest{{}, {}}, "paid", 2, "approved call_again"},
		"again, lost again":  {2, []workflows.ApproveRequest{{}, {}, {}}, "paid", 3, "approved call_again call_again"},
		"not again":          {1, []workflows.ApproveRequest{{}, {Deny: true}}, unknownOutcome, 1, "approved not_again"},
		"not again, because": {1, []workflows.ApproveRequest{{}, {Deny: true, Reason: "it was paid"}}, unknownOutcome + "; an operator says: it was paid", 1, "approved not_again"},
		"not in time":        {1, []workflows.ApproveRequest{{}}, unknownOutcome, 1, "approved timed_out"},
		"again, then not":    {2, []workflows.ApproveRequest{{}, {}, {Deny: true}}, unknownOutcome, 2, "approved call_again not_again"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, results := toolStage(t, activities.PlannedCall{CallID: "1", Tool: "refund", Set: "shop", Name: "refund", Ask: true})
			var inputs []activities.CallToolInput
			s.tool = func(_ context.Context, n int, in activities.CallToolInput) (activities.CallToolResult, error) {
				if inputs = append(inputs, in); n <= tt.loses {
					return activities.CallToolResult{}, lostCall()
				}
				return activities.CallToolResult{Content: "paid"}, nil
			}
			digests := map[string]bool{}
			for i, req := range tt.decide {
				s.after(time.Duration(1+i)*time.Minute, func() {
					waiting := s.status()
					require.Equal(t, workflows.StateNeedsApproval, waiting.State)
					require.Equal(t, i > 0, waiting.Approvals[0].Lost != "")
					digests[waiting.Approvals[0].Digest] = true
					s.approve(req)
				})
			}
			s.run(toolInput())
			require.Equal(t, conversation.OutcomeEnded, s.outcome().Kind)
			require.Equal(t, tt.want, (*results)[0].Content)
			require.Empty(t, (*results)[0].Decision)
			require.Equal(t, tt.calls, s.called(activities.CallToolName))
			require.Len(t, digests, len(tt.decide), "a decision on one question is none on the next")
			var chosen []string
			for _, d := range (*results)[0].Decisions {
				chosen = append(chosen, string(d.Choice))
			}
			require.Equal(t, tt.chosen, strings.Join(chosen, " "))
			for i, in := range inputs {
				require.Nil(t, in.Tried, "an operator wants it to be called")
				require.Len(t, in.Decisions, i+1, "the input shows who wanted it")
			}
		})
	}
}

// What a handed-over activity has done is known to the next.
func TestHandedOverCallIsKnown(t *testing.T) {
	t.Parallel()
	s, results := toolStage(t, activities.PlannedCall{CallID: "1", Tool: "find", Repeatable: true})
	var tried []int
	s.tool = func(_ context.Context, n int, in activities.CallToolInput) (activities.CallToolResult, error) {
		if tried = append(tried, 0); in.Tried != nil {
			tried[n-1] = in.Tried.Sends
		}
		if n < 3 {
			return activities.CallToolResult{HandedOver: true, Tried: &activities.Mark{Time: time.Now(), Sends: n}}, nil
		}
		return activities.CallToolResult{}, temporal.NewHeartbeatTimeoutError()
	}
	in := toolInput()
	in.Policy.ToolAttempts = 1
	s.run(in)
	s.outcome()
	require.Equal(t, []int{0, 1, 2}, tried)
	require.Equal(t, unknownOutcome, (*results)[0].Content, "the last worker died before it called, those before did call")
}

// A run that was reset may have made the calls of its turn: only what may be repeated is
// called without asking, and an operator decides about the rest of what asks.
func TestToolCallsAfterAReset(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		call  activities.PlannedCall
		want  string
		calls int
		lost  bool
	}{
		"once":              {activities.PlannedCall{}, unknownOutcome, 0, false},
		"repeatable":        {activities.PlannedCall{Repeatable: true}, "paid", 1, false},
		"asked":             {activities.PlannedCall{Ask: true}, "paid", 1, true},
		"asked, repeatable": {activities.PlannedCall{Ask: true, Repeatable: true}, "paid", 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.call.CallID, tt.call.Tool = "1", "refund"
			s := newStage(t)
			var told []string
			s.context = func(n int, _ activities.ContextInput) (activities.ContextResult, error) {
				out := activities.ContextResult{State: "open", RunID: runID}
				if n > 1 {
					out.RunID = "run2"
				}
				return out, nil
			}
			s.reply = func(_ context.Context, n int, in activities.ReplyInput) (activities.ReplyResult, error) {
				for _, m := range in.New {
					if r := m.Parts[0].ToolResult; r != nil {
						told = append(told, r.Content)
					}
				}
				switch {
				case n == 1:
					return activities.ReplyResult{}, wasReset("run2")
				case in.Round == 0:
					return plans(tt.call), nil
				}
				out := says("answer " + in.Run)
				out.End = in.Turn == 2
				return out, nil
			}
			s.tool = func(context.Context, int, activities.CallToolInput) (activities.CallToolResult, error) {
				return activities.CallToolResult{Content: "paid"}, nil
			}
			lost := []bool{}
			for i := range 6 {
				s.after(time.Duration(10+i)*time.Minute, func() {
					for _, a := range s.status().Approvals {
						lost = append(lost, a.Lost != "")
						s.approve(workflows.ApproveRequest{})
					}
				})
			}
			s.run(toolInput())
			require.Equal(t, 2, s.outcome().Turns)
			require.Equal(t, []string{tt.want, "paid"}, told, "the turn after it is as any other")
			require.Equal(t, tt.calls+1, s.called(activities.CallToolName))
			if tt.call.Ask {
				require.Equal(t, []bool{tt.lost, false}, lost)
			}
		})
	}
}

// What a turn has called stays known to the agent when an operator answers in its place:
// results that came, and that the outcome of a call is unknown which was interrupted.
func TestTakeoverKeepsToolCalls(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	var told []string
	s.reply = func(_ context.Context, n int, in activities.ReplyInput) (activities.ReplyResult, error) {
		if n == 1 {
			return plans(
				activities.PlannedCall{CallID: "1", Tool: "refund"}, activities.PlannedCall{CallID: "2", Tool: "slow"},
				activities.PlannedCall{CallID: "3", Tool: "buy", Ask: true}, activities.PlannedCall{CallID: "4", Fault: "there is no such tool"},
			), nil
		}
		for _, m := range in.New {
			if r := m.Parts[0].ToolResult; r != nil {
				told = append(told, r.CallID+" "+r.Content)
			} else {
				told = append(told, string(m.Role)+" "+m.Text())
			}
		}
		return activities.ReplyResult{End: true}, nil
	}
	s.tool = func(ctx context.Context, _ int, in activities.CallToolInput) (activities.CallToolResult, error) {
		if in.Call.Tool == "slow" {
			s.after(0, func() { s.update(workflows.UpdateTakeover, workflows.TakeoverRequest{Text: "by hand", By: "ada"}) })
			return activities.CallToolResult{}, hang(ctx)
		}
		return activities.CallToolResult{Content: "paid"}, nil
	}
	s.run(toolInput())
	require.Equal(t, conversation.OutcomeEnded, s.outcome().Kind)
	require.Equal(t, []string{
		"1 paid", "2 the call was interrupted, and its outcome is unknown: it may have been done",
		"3 the call was interrupted before it was approved: it was not made", "4 there is no such tool",
		"assistant by hand", "user go on",
	}, told)
}

// A turn that begins anew, because its reply was not delivered, has made its calls.
func TestToolCallsOfATurnThatBeginsAnew(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		call  activities.PlannedCall
		want  string // what the second try is told
		calls int
	}{
		"once":       {activities.PlannedCall{}, unknownOutcome, 2},
		"repeatable": {activities.PlannedCall{Repeatable: true}, "paid", 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.call.CallID, tt.call.Tool = "1", "refund"
			s := newStage(t)
			var told []string
			s.reply = func(_ context.Context, _ int, in activities.ReplyInput) (activities.ReplyResult, error) {
				if in.Round == 0 {
					return plans(tt.call), nil
				}
				told = append(told, in.New[len(in.New)-1].Parts[0].ToolResult.Content)
				out := says("answer")
				out.End = in.Turn == 2
				return out, nil
			}
			s.tool = func(context.Context, int, activities.CallToolInput) (activities.CallToolResult, error) {
				return activities.CallToolResult{Content: "paid"}, nil
			}
			exchanges := 0
			s.exchange = func(_ context.Context, _ int, in activities.ExchangeInput) (activities.ExchangeResult, error) {
				if in.Turn == 1 {
					if exchanges++; exchanges == 1 {
						s.after(time.Hour, func() { s.update(workflows.UpdateResume, workflows.ResumeRequest{By: "ada"}) })
						return activities.ExchangeResult{}, fails(conversation.Diverged, "it holds another message", activities.ErrorDetails{})
					}
				}
				return answered(in), nil
			}
			s.run(toolInput())
			require.Equal(t, conversation.OutcomeEnded, s.outcome().Kind)
			require.Equal(t, []string{"paid", tt.want, "paid"}, told)
			require.Equal(t, tt.calls, s.called(activities.CallToolName))
		})
	}
}
