package workflows_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/workflows"
)

// plans are tool calls as an executor requests them.
func plans(calls ...activities.PlannedCall) activities.ReplyResult {
	out := activities.ReplyResult{Message: conversation.Message{Role: conversation.RoleAssistant}, Executor: "agent", Calls: calls}
	for _, call := range calls {
		out.Message.Parts = append(out.Message.Parts, conversation.Part{
			Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{ID: call.CallID, Name: call.Tool},
		})
	}
	return out
}

// toolStage is a conversation of one turn: the executor requests the calls, gets their
// results, and ends the conversation.
func toolStage(t *testing.T, calls ...activities.PlannedCall) (*stage, *[]conversation.ToolResult) {
	t.Helper()
	s, results := newStage(t), &[]conversation.ToolResult{}
	s.reply = func(_ context.Context, n int, in activities.ReplyInput) (activities.ReplyResult, error) {
		if n == 1 {
			return plans(calls...), nil
		}
		for _, m := range in.New {
			*results = append(*results, *m.Parts[0].ToolResult)
		}
		return activities.ReplyResult{End: true}, nil
	}
	return s, results
}

func toolInput() workflows.ConversationInput {
	in := input("mem")
	in.Policy.Tools = []string{"tools"}
	return in
}

// The results of a round are in the order of the calls, however the calls end.
func TestToolResultsAreInOrder(t *testing.T) {
	t.Parallel()
	s, results := toolStage(t,
		activities.PlannedCall{CallID: "1", Tool: "slow"}, activities.PlannedCall{CallID: "2", Fault: "there is no tool of that name"},
		activities.PlannedCall{CallID: "3", Tool: "broken"}, activities.PlannedCall{CallID: "4", Tool: "quick"},
	)
	quick := make(chan struct{})
	indexes := map[string]int{}
	s.tool = func(_ context.Context, _ int, in activities.CallToolInput) (activities.CallToolResult, error) {
		s.mu.Lock()
		indexes[in.Call.Tool] = in.Index
		s.mu.Unlock()
		switch in.Call.Tool {
		case "slow":
			<-quick
		case "broken":
			return activities.CallToolResult{}, fails(conversation.Invalid, "it broke", activities.ErrorDetails{})
		case "quick":
			defer close(quick)
		}
		return activities.CallToolResult{Content: in.Call.Tool + " found", IsError: in.Call.Tool == "quick"}, nil
	}
	s.run(toolInput())
	require.Equal(t, conversation.OutcomeEnded, s.outcome().Kind)
	require.Equal(t, []conversation.ToolResult{
		{CallID: "1", Content: "slow found"}, {CallID: "2", Content: "there is no tool of that name", IsError: true},
		{CallID: "3", Content: "the tool could not be reached: the call was not made", IsError: true}, {CallID: "4", Content: "quick found", IsError: true},
	}, *results)
	require.Equal(t, map[string]int{"slow": 0, "broken": 2, "quick": 3}, indexes, "a part of the keys")
}

// The results of a round share the bytes that one payload has.
func TestToolResultsShareTheirBytes(t *testing.T) {
	t.Parallel()
	for calls, want := range map[int]int{1: 64 << 10, 100: (768 << 10) / 100} {
		var planned []activities.PlannedCall
		for i := range calls {
			planned = append(planned, activities.PlannedCall{CallID: fmt.Sprint(i), Tool: "find"})
		}
		s, _ := toolStage(t, planned...)
		s.tool = func(_ context.Context, _ int, in activities.CallToolInput) (activities.CallToolResult, error) {
			require.Equal(t, want, in.MaxBytes)
			return activities.CallToolResult{}, nil
		}
		s.run(toolInput())
		s.outcome()
		require.Equal(t, calls, s.called(activities.CallToolName))
	}
}

// An operator decides on a call, or does not: the agent gets to know which.
func TestApprovalDecisions(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		decide *workflows.ApproveRequest
		want   conversation.ToolResult
		calls  int
		choice conversation.Decision
		event  string
	}{
		"approved": {
			&workflows.ApproveRequest{By: "ada@desk"}, conversation.ToolResult{CallID: "1", Content: "found"}, 1,
			conversation.Decision{Choice: conversation.ChoiceApproved, By: "ada@desk"}, "buy: approved by ada@desk",
		},
		"refused": {
			&workflows.ApproveRequest{Deny: true},
			conversation.ToolResult{CallID: "1", IsError: true, Decision: "refused", Content: "an operator refused the call"}, 0,
			conversation.Decision{Choice: conversation.ChoiceRefused}, "buy: refused",
		},
		"refused with a reason": {
			&workflows.ApproveRequest{Deny: true, Reason: "too dear", By: "ada"},
			conversation.ToolResult{CallID: "1", IsError: true, Decision: "refused", Content: "an operator refused the call: too dear"}, 0,
			conversation.Decision{Choice: conversation.ChoiceRefused, Reason: "too dear", By: "ada"}, "buy: refused by ada: too dear",
		},
		"not in time": {
			nil, conversation.ToolResult{CallID: "1", IsError: true, Decision: "timed_out", Content: "no operator approved the call within 10m0s: it was not made"}, 0,
			conversation.Decision{Choice: conversation.ChoiceTimedOut}, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, results := toolStage(t, activities.PlannedCall{CallID: "1", Tool: "buy", Arguments: []byte(`{"n":1}`), Ask: true})
			begin := s.env.Now()
			var waiting workflows.Status
			s.after(time.Minute, func() {
				if waiting = s.status(); tt.decide != nil {
					s.approve(*tt.decide)
				}
			})
			var events []conversation.EventType
			var decided string
			s.notify = func(_ int, in activities.NotifyInput) (activities.NotifyResult, error) {
				if events = append(events, in.Event.Type); in.Event.Type == conversation.EventDecided {
					decided = in.Event.Reason
				}
				return activities.NotifyResult{}, nil
			}
			in := toolInput()
			in.Policy.ApprovalTimeout, in.Notify = 10*time.Minute, "listener"
			s.run(in)
			require.Equal(t, conversation.OutcomeEnded, s.outcome().Kind)
			require.Equal(t, workflows.StateNeedsApproval, waiting.State)
			require.Len(t, waiting.Approvals, 1)
			require.Equal(t, "buy", waiting.Approvals[0].Tool)
			require.Equal(t, 10*time.Minute, waiting.Approvals[0].Until.Sub(waiting.Approvals[0].Since))
			require.Len(t, (*results)[0].Decisions, 1)
			got := (*results)[0].Decisions[0]
			require.Equal(t, waiting.Approvals[0].Digest, got.Digest, "it is about what was seen")
			require.False(t, got.At.IsZero())
			got.Digest, got.At = "", time.Time{}
			require.Equal(t, tt.choice, got)
			(*results)[0].Decisions = nil
			require.Equal(t, []conversation.ToolResult{tt.want}, *results)
			require.Equal(t, tt.event, decided)
			require.Equal(t, tt.calls, s.called(activities.CallToolName))
			require.Contains(t, events, conversation.EventNeedsApproval)
			if tt.decide == nil {
				require.Equal(t, 10*time.Minute, s.env.Now().Sub(begin).Round(time.Minute))
			}
		})
	}
}

// Several calls wait at once; each is named when it is decided on.
func TestApprovalOfSeveralCalls(t *testing.T) {
	t.Parallel()
	s, results := toolStage(t,
		activities.PlannedCall{CallID: "1", Tool: "buy", Ask: true}, activities.PlannedCall{CallID: "2", Tool: "sell", Ask: true},
		activities.PlannedCall{CallID: "3", Tool: "find"},
	)
	var states []workflows.State
	see := func() { states = append(states, s.status().State) }
	s.after(time.Minute, func() {
		see()
		s.approve(workflows.ApproveRequest{CallID: "2", Deny: true})
	})
	s.after(2*time.Minute, func() {
		see()
		require.Len(t, s.status().Approvals, 1)
		s.approve(workflows.ApproveRequest{}) // the one that is left
	})
	s.run(toolInput())
	s.outcome()
	require.Equal(t, []workflows.State{workflows.StateNeedsApproval, workflows.StateNeedsApproval}, states)
	require.Equal(t, []string{"", "refused", ""}, []string{(*results)[0].Decision, (*results)[1].Decision, (*results)[2].Decision})
	require.Equal(t, 2, s.called(activities.CallToolName))
}

// After so many rounds the executor is asked without tools, and its reply is taken
// whatever it requests.
func TestToolRoundsEnd(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	var offered []int
	s.reply = func(_ context.Context, _ int, in activities.ReplyInput) (activities.ReplyResult, error) {
		offered = append(offered, len(in.Tools))
		out := plans(activities.PlannedCall{CallID: fmt.Sprint(in.Round), Tool: "find"})
		if len(in.Tools) == 0 {
			out = says("enough")
			out.End = true
		}
		return out, nil
	}
	in := toolInput()
	in.Policy.ToolRounds = 2
	s.run(in)
	require.Equal(t, 1, s.outcome().Turns)
	require.Equal(t, []int{1, 1, 0}, offered)
	require.Equal(t, 2, s.called(activities.CallToolName))
}

// A turn whose history grows too long comes to its end: a workflow continues as new only
// between turns.
func TestToolRoundsEndWithTheHistory(t *testing.T) {
	t.Parallel()
	for name, grow := range map[string]func(*stage){
		"events": func(s *stage) { s.env.SetCurrentHistoryLength(20_001) },
		"bytes":  func(s *stage) { s.env.SetCurrentHistorySize(21 << 20) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.reply = func(_ context.Context, _ int, in activities.ReplyInput) (activities.ReplyResult, error) {
				if len(in.Tools) == 0 {
					return activities.ReplyResult{End: true}, nil
				}
				return plans(activities.PlannedCall{CallID: fmt.Sprint(in.Round), Tool: "find"}), nil
			}
			s.tool = func(_ context.Context, n int, _ activities.CallToolInput) (activities.CallToolResult, error) {
				if n == 3 {
					grow(s)
				}
				return activities.CallToolResult{}, nil
			}
			s.run(toolInput())
			s.outcome()
			require.Equal(t, 3, s.called(activities.CallToolName))
		})
	}
}

// A refusal of the model is answered with the policy's text, where it has one.
func TestRefusalText(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.reply = func(_ context.Context, n int, _ activities.ReplyInput) (activities.ReplyResult, error) {
		if n == 1 {
			return activities.ReplyResult{}, fails(conversation.Refused, "not allowed", activities.ErrorDetails{Spent: conversation.Usage{OutputTokens: 7}})
		}
		return activities.ReplyResult{End: true}, nil
	}
	var sent string
	s.exchange = func(_ context.Context, _ int, in activities.ExchangeInput) (activities.ExchangeResult, error) {
		if in.Turn == 1 {
			sent = in.Messages[0].Text()
		}
		return answered(in), nil
	}
	in := input("mem")
	in.Policy.RefusalText = "I cannot say."
	s.run(in)
	out := s.outcome()
	require.Equal(t, "I cannot say.", sent)
	require.EqualValues(t, 7, out.Usage.OutputTokens, "what a failure cost counts")
}

// A worker of an earlier version does not say what it sent: the executor is asked once
// more with half of the messages, and then the conversation fails.
func TestContextTooLongAtAnEarlierVersion(t *testing.T) {
	t.Parallel()
	for name, still := range map[string]bool{"with half": false, "still": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.context = func(int, activities.ContextInput) (activities.ContextResult, error) { return holds(5, 11), nil }
			var windows []int
			s.reply = func(_ context.Context, _ int, in activities.ReplyInput) (activities.ReplyResult, error) {
				windows = append(windows, in.Window)
				if in.Window == 0 || still {
					return activities.ReplyResult{}, fails(conversation.ContextTooLong, "too long", activities.ErrorDetails{})
				}
				return activities.ReplyResult{End: true}, nil
			}
			s.run(input("mem"))
			require.Equal(t, []int{0, 5}, windows)
			require.Equal(t, 1, s.called(activities.EndName))
			if !still {
				require.Equal(t, conversation.OutcomeEnded, s.outcome().Kind)
				return
			}
			require.ErrorContains(t, s.env.GetWorkflowError(), "too long")
		})
	}
}
