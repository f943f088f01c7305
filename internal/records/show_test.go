package records_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/records/recordstest"
	"github.com/parley-run/parley/workflows"
)

const id = "onerun/pr1/cv1"

var ref = conversation.Ref{Platform: "onerun", Project: "pr1", Simulation: "sim1", Agent: "ag1", ID: "cv1"}

func texts(messages []records.Message) []string {
	out := []string{}
	for _, m := range messages {
		text := m.Text
		if m.Unsent {
			text += " (unsent)"
		}
		out = append(out, text)
	}
	return out
}

func indexes(messages []records.Message) []int {
	out := []int{}
	for _, m := range messages {
		out = append(out, m.Index)
	}
	return out
}

func TestShowReadsHistoryWithoutAWorker(t *testing.T) {
	t.Parallel()
	var s recordstest.Server
	s.Put(workflows.ConversationName, id, "run1", recordstest.Completed, func(e *recordstest.Execution) {
		e.Summary = "an impatient customer"
		e.Events = recordstest.Record(t, workflows.ConversationInput{Ref: ref, Policy: conversation.Policy{Executor: "auto"}}, "").
			Activity(activities.ClaimName, activities.ClaimInput{Ref: ref}, activities.ClaimResult{Claimed: true}).
			Activity(activities.ContextName, activities.ContextInput{Ref: ref}, activities.ContextResult{}).
			Exchange(0, 0, "", "hello?").
			Reply(1, "good day").
			Activity(activities.ExchangeName, activities.ExchangeInput{Turn: 1, Before: 1}, activities.ExchangeResult{HandedOver: true}).
			Exchange(1, 1, "good day", "where is my parcel").
			Reply(2, "on its way").
			Exchange(2, 3, "on its way", "thanks").
			Completed(conversation.Outcome{
				Kind: conversation.OutcomeEnded, EndedBy: conversation.EndedByPersona, Detail: "content", Turns: 2, Messages: 5,
				Usage: conversation.Usage{InputTokens: 20, OutputTokens: 2, Calls: 2}, Started: recordstest.Began,
			})
	})
	r, err := s.NewReader().Show(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, []string{"hello?", "good day", "where is my parcel", "on its way", "thanks"}, texts(r.Messages))
	require.Equal(t, []int{0, 1, 2, 3, 4}, indexes(r.Messages))
	require.Equal(t, conversation.RoleAssistant, r.Messages[1].Role)
	require.Equal(t, records.SourceHistory, r.Source)
	require.Equal(t, "ended by persona", r.Result())
	require.Equal(t, "content", r.Detail)
	require.Equal(t, 2, r.Turns)
	require.Equal(t, int64(20), r.Usage.InputTokens)
	require.Equal(t, "gpt", r.Executor)
	require.Equal(t, "an impatient customer", r.Persona)
	require.Equal(t, "sim1", r.Simulation)
	require.Equal(t, time.Minute, r.Duration())
	require.False(t, r.NeedsOperator())
}

func TestShowFollowsContinuedRunsBack(t *testing.T) {
	t.Parallel()
	var s recordstest.Server
	s.Put(workflows.ConversationName, id, "run1", recordstest.Continued, func(e *recordstest.Execution) {
		e.Events = recordstest.Record(t, workflows.ConversationInput{Ref: ref}, "").
			Exchange(0, 0, "", "p0").Reply(1, "a1").Exchange(1, 1, "a1", "p2").Events
	})
	newest := s.Put(workflows.ConversationName, id, "run2", recordstest.Completed, func(e *recordstest.Execution) {
		e.Info.FirstRunId = "run1"
		in := workflows.ConversationInput{Ref: ref, Carried: &workflows.Carried{
			// Only the newest message fits.
			Count: 3, Messages: []conversation.Message{conversation.Text(conversation.RoleUser, "p2")}, New: 1,
			Started: recordstest.Began, Turn: 1, Usage: conversation.Usage{InputTokens: 10},
		}}
		e.Events = recordstest.Record(t, in, "run1").Reply(2, "a3").Exchange(2, 3, "a3", "p4").
			Completed(conversation.Outcome{Kind: conversation.OutcomeEnded, Turns: 2})
	})
	r, err := s.NewReader().Show(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, []string{"p0", "a1", "p2", "a3", "p4"}, texts(r.Messages))

	t.Run("RetentionTookTheFirst", func(t *testing.T) {
		t.Parallel()
		var s recordstest.Server
		s.Executions = []*recordstest.Execution{newest}
		r, err := s.NewReader().Show(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, []int{2, 3, 4}, indexes(r.Messages))
	})
}

func TestShowBroken(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		put    func(*testing.T, *recordstest.Server)
		result string
		detail string
		texts  []string
	}{
		"Failed": {
			put: func(t *testing.T, s *recordstest.Server) {
				s.Put(workflows.ConversationName, id, "run1", recordstest.Failed, func(e *recordstest.Execution) {
					e.Events = recordstest.Record(t, workflows.ConversationInput{Ref: ref}, "").Exchange(0, 0, "", "p0").Reply(1, "a1").
						Failed(conversation.Outcome{Kind: conversation.OutcomeFailed, Detail: "the key is wrong"})
				})
			},
			result: "failed", detail: "the key is wrong", texts: []string{"p0", "a1 (unsent)"},
		},
		"Terminated": {
			put: func(t *testing.T, s *recordstest.Server) {
				s.Put(workflows.ConversationName, id, "run1", recordstest.Terminated, func(e *recordstest.Execution) {
					e.Events = recordstest.Record(t, workflows.ConversationInput{Ref: ref}, "").Exchange(0, 0, "", "p0").Terminated("cleaning up")
				})
			},
			result: "terminated", detail: "it was terminated: cleaning up", texts: []string{"p0"},
		},
		"EndedBeforeTheReply": {
			put: func(t *testing.T, s *recordstest.Server) {
				s.Put(workflows.ConversationName, id, "run1", recordstest.Completed, func(e *recordstest.Execution) {
					r := recordstest.Record(t, workflows.ConversationInput{Ref: ref}, "").Exchange(0, 0, "", "p0").Reply(1, "a1")
					r.Activity(activities.ExchangeName,
						activities.ExchangeInput{Turn: 1, Before: 1, Messages: []conversation.Message{conversation.Text(conversation.RoleAssistant, "a1")}},
						activities.ExchangeResult{Count: 1, Ended: true})
					e.Events = r.Completed(conversation.Outcome{Kind: conversation.OutcomeEnded})
				})
			},
			result: "ended", texts: []string{"p0", "a1 (unsent)"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s recordstest.Server
			tt.put(t, &s)
			r, err := s.NewReader().Show(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, tt.result, r.Result())
			require.Equal(t, tt.detail, r.Detail)
			require.Equal(t, tt.texts, texts(r.Messages))
		})
	}
}

// live makes an execution answer queries from a list of messages, of which it
// holds those from an index on, and gives them two at a time.
func live(e *recordstest.Execution, status workflows.Status, held int, all ...conversation.Message) {
	e.Status = status
	e.Transcript = func(q workflows.TranscriptQuery) workflows.Transcript {
		first := max(q.From, held)
		last := min(first+2, len(all))
		return workflows.Transcript{First: first, Messages: all[first:last], Total: len(all)}
	}
}

func said(texts ...string) []conversation.Message {
	var all []conversation.Message
	for _, text := range texts {
		all = append(all, conversation.Text(conversation.RoleUser, text))
	}
	return all
}

func TestShowAsksTheWorker(t *testing.T) {
	t.Parallel()
	var s recordstest.Server
	s.Put(workflows.ConversationName, id, "run1", recordstest.Continued, func(e *recordstest.Execution) {
		e.Events = recordstest.Record(t, workflows.ConversationInput{Ref: ref}, "").Exchange(0, 0, "", "p0").Events
	})
	s.Put(workflows.ConversationName, id, "run2", recordstest.Running, func(e *recordstest.Execution) {
		live(e, workflows.Status{
			State: workflows.StateNeedsAttention, Step: "turn 2 · reply", Turn: 1,
			Attention: &workflows.Attention{Reason: "no quota", Remedy: "pay"},
		}, 1, said("p0", "p1", "p2", "p3")...)
		e.Events = recordstest.Record(t, workflows.ConversationInput{Ref: ref, Carried: &workflows.Carried{Count: 2, Messages: said("p1")}}, "run1").Events
	})
	r, err := s.NewReader().Show(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, records.SourceWorker, r.Source)
	require.Equal(t, []string{"p0", "p1", "p2", "p3"}, texts(r.Messages))
	require.Equal(t, "pay", r.Attention.Remedy)
	require.Equal(t, string(workflows.StateNeedsAttention), r.Status)
	require.True(t, r.NeedsOperator())
}

func TestShowRunningWithoutAWorker(t *testing.T) {
	t.Parallel()
	var s recordstest.Server
	s.Put(workflows.ConversationName, id, "run1", recordstest.Running, func(e *recordstest.Execution) {
		e.Events = recordstest.Record(t, workflows.ConversationInput{Ref: ref, Policy: conversation.Policy{Executor: "auto"}}, "").Exchange(0, 0, "", "p0").Events
		e.Attribute(t, workflows.KeyStatus.GetName(), "talking")
	})
	r, err := s.NewReader().Show(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, records.SourceHistory, r.Source)
	require.Equal(t, "talking", r.Status)
	require.Equal(t, []string{"p0"}, texts(r.Messages))
}

func TestShowUnknown(t *testing.T) {
	t.Parallel()
	_, err := new(recordstest.Server).NewReader().Show(t.Context(), id)
	require.Equal(t, records.NotFound, records.KindOf(err))
}

// Turns count the whole transcript, not only the part that was read. A conversation that
// was read again from its middle is shown as the platform holds it.
func TestShowCountsTurnsAsThePlatform(t *testing.T) {
	t.Parallel()
	tail := []conversation.Message{
		conversation.Text(conversation.RoleUser, "p118"), conversation.Text(conversation.RoleAssistant, "a119"), conversation.Text(conversation.RoleUser, "p120"),
	}
	anew := []conversation.Message{
		conversation.Text(conversation.RoleAssistant, "a121"), conversation.Text(conversation.RoleUser, "p122"),
		conversation.Text(conversation.RoleAssistant, "by another"), conversation.Text(conversation.RoleUser, "p124"),
	}
	for name, tt := range map[string]struct {
		given  []conversation.Message
		record func(r *recordstest.Recording) *recordstest.Recording
		turns  int
		texts  []string
		at     []int
	}{
		"Adopted": {
			record: func(r *recordstest.Recording) *recordstest.Recording {
				return r.Activity(activities.ContextName, activities.ContextInput{Ref: ref}, activities.ContextResult{Messages: tail, Count: 121, Turns: 60})
			},
			turns: 60, texts: []string{"p118", "a119", "p120"}, at: []int{118, 119, 120},
		},
		"HandedOver": {
			record: func(r *recordstest.Recording) *recordstest.Recording {
				return r.Activity(activities.ContextName, activities.ContextInput{Ref: ref}, activities.ContextResult{Messages: tail, Count: 121, Turns: 60}).
					Activity(activities.ContextName, activities.ContextInput{Ref: ref}, activities.ContextResult{HandedOver: true})
			},
			turns: 60, texts: []string{"p118", "a119", "p120"}, at: []int{118, 119, 120},
		},
		"ReadAnew": {
			record: func(r *recordstest.Recording) *recordstest.Recording {
				return r.Activity(activities.ContextName, activities.ContextInput{Ref: ref}, activities.ContextResult{Messages: tail, Count: 121, Turns: 60}).
					Reply(61, "a121").Exchange(61, 121, "a121", "p122").
					Reply(62, "never sent").
					Activity(activities.ContextName, activities.ContextInput{Ref: ref}, activities.ContextResult{Messages: anew, Count: 125, Turns: 62})
			},
			turns: 62, texts: []string{"p118", "a119", "p120", "a121", "p122", "by another", "p124"}, at: []int{118, 119, 120, 121, 122, 123, 124},
		},
		"Given": {given: tail, record: func(r *recordstest.Recording) *recordstest.Recording { return r }, turns: 1, texts: []string{"p118", "a119", "p120"}, at: []int{0, 1, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s recordstest.Server
			s.Put(workflows.ConversationName, id, "run1", recordstest.Running, func(e *recordstest.Execution) {
				in := workflows.ConversationInput{Ref: ref}
				if tt.given != nil {
					in.Start = &workflows.Start{Messages: tt.given}
				}
				e.Events = tt.record(recordstest.Record(t, in, "")).Events
			})
			r, err := s.NewReader().Show(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, tt.turns, r.Turns)
			require.Equal(t, tt.texts, texts(r.Messages))
			require.Equal(t, tt.at, indexes(r.Messages))
		})
	}
}

// The server knows what is retried: no worker needs to answer.
func TestShowRetrying(t *testing.T) {
	t.Parallel()
	next := recordstest.Began.Add(time.Minute)
	var s recordstest.Server
	s.Put(workflows.ConversationName, id, "run1", recordstest.Running, func(e *recordstest.Execution) {
		e.Events = recordstest.Record(t, workflows.ConversationInput{Ref: ref}, "").Events
		failure := temporal.GetDefaultFailureConverter().ErrorToFailure(temporal.NewApplicationErrorWithOptions(
			"reply: connection refused", "Unavailable",
			temporal.ApplicationErrorOptions{Details: []any{activities.ErrorDetails{Kind: conversation.Unavailable, Remedy: "start the agent"}}}))
		e.Pending = []*workflow.PendingActivityInfo{
			{
				ActivityId: "reply-3", ActivityType: &common.ActivityType{Name: activities.ReplyName}, Attempt: 4, MaximumAttempts: 7,
				State: enums.PENDING_ACTIVITY_STATE_SCHEDULED, LastFailure: failure, ScheduledTime: timestamppb.New(next),
			},
			{ActivityId: "watch-2", ActivityType: &common.ActivityType{Name: activities.WatchName}, Attempt: 1},
		}
	})
	want := workflows.Retrying{
		ID: "reply-3", Step: "reply", Attempt: 3, Of: 7, Kind: conversation.Unavailable,
		Reason: "reply: connection refused", Remedy: "start the agent", Next: next,
	}
	o := s.NewReader()
	r, err := o.Show(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, []workflows.Retrying{want}, r.Retrying)
	page, err := o.List(t.Context(), records.Filter{}, 0)
	require.NoError(t, err)
	require.Equal(t, []workflows.Retrying{want}, page.Conversations[0].Retrying)

	// A worker knows the step's name, and the attempts that other workers handed over.
	s.Executions[0].Status = workflows.Status{State: workflows.StateTalking, Step: "turn 2 · reply", Retrying: []workflows.Retrying{
		{ID: "reply-3", Step: "turn 2 · reply", Attempt: 4, Of: 10},
	}}
	s.Executions[0].Transcript = func(workflows.TranscriptQuery) workflows.Transcript { return workflows.Transcript{} }
	want.Step, want.Attempt, want.Of = "turn 2 · reply", 6, 10
	r, err = o.Show(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, []workflows.Retrying{want}, r.Retrying)
}

// What an operator answered is shown where no exchange records it: in a task, and in a
// direct conversation whose agent was calling tools.
func TestShowAnswersOfOperators(t *testing.T) {
	t.Parallel()
	var s recordstest.Server
	task := &conversation.Task{Payload: []byte(`{"message":"sum it up"}`)}
	calls := activities.ReplyResult{
		Message: conversation.Message{Role: conversation.RoleAssistant, Parts: []conversation.Part{
			{Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{ID: "1", Name: "find"}},
		}},
		Calls: []activities.PlannedCall{{CallID: "1", Tool: "find"}},
	}
	ended := conversation.Outcome{Kind: conversation.OutcomeEnded, EndedBy: conversation.EndedByAgent, Turns: 1, Messages: 2}
	for name, events := range map[string][]*history.HistoryEvent{
		"task": recordstest.Record(t, workflows.ConversationInput{Ref: ref, Side: workflows.SideTask}, "").
			Activity(activities.ContextName, activities.ContextInput{}, activities.ContextResult{Context: conversation.Context{Task: task}}).
			Update(workflows.UpdateTakeover, workflows.TakeoverRequest{Text: "by an operator"}, nil).
			Completed(ended),
		"private task": recordstest.Record(t, workflows.ConversationInput{
			Ref: ref, Side: workflows.SideTask, Start: &workflows.Start{Context: conversation.Context{Task: task}},
		}, "").
			Update(workflows.UpdateTakeover, workflows.TakeoverRequest{Text: "by an operator"}, nil).
			Completed(ended),
		"direct": recordstest.Record(t, workflows.ConversationInput{Ref: ref, Side: workflows.SideDirect}, "").
			Activity(activities.ReplyName, activities.ReplyInput{Turn: 1, New: said("sum it up")}, calls).
			Update(workflows.UpdateSend, workflows.SendRequest{ID: "m1", Text: "sum it up"},
				workflows.SendReply{ID: "m1", Index: 1, Turn: 1, Message: conversation.Text(conversation.RoleAssistant, "by an operator")}).
			Completed(ended),
	} {
		run := strings.ReplaceAll(name, " ", "-")
		s.Put(workflows.ConversationName, "mem/p/"+run, run, recordstest.Completed, func(e *recordstest.Execution) { e.Events = events })
		r, err := s.NewReader().Show(t.Context(), "mem/p/"+run)
		require.NoError(t, err, name)
		require.Equal(t, []string{"sum it up", "by an operator"}, texts(r.Messages), name)
		require.Equal(t, 1, r.Turns, name)
	}
}
