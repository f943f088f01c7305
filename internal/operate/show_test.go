package operate_test

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
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/workflows"
)

const id = "onerun/pr1/cv1"

var ref = conversation.Ref{Platform: "onerun", Project: "pr1", Simulation: "sim1", Agent: "ag1", ID: "cv1"}

func texts(messages []operate.Message) []string {
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

func indexes(messages []operate.Message) []int {
	out := []int{}
	for _, m := range messages {
		out = append(out, m.Index)
	}
	return out
}

func TestShowReadsHistoryWithoutAWorker(t *testing.T) {
	t.Parallel()
	var s server
	s.put(workflows.ConversationName, id, "run1", completed, func(e *execution) {
		e.summary = "an impatient customer"
		e.events = record(t, workflows.ConversationInput{Ref: ref, Policy: conversation.Policy{Executor: "auto"}}, "").
			activity(activities.ClaimName, activities.ClaimInput{Ref: ref}, activities.ClaimResult{Claimed: true}).
			activity(activities.ContextName, activities.ContextInput{Ref: ref}, activities.ContextResult{}).
			exchange(0, 0, "", "hello?").
			reply(1, "good day").
			activity(activities.ExchangeName, activities.ExchangeInput{Turn: 1, Before: 1}, activities.ExchangeResult{HandedOver: true}).
			exchange(1, 1, "good day", "where is my parcel").
			reply(2, "on its way").
			exchange(2, 3, "on its way", "thanks").
			completed(conversation.Outcome{
				Kind: conversation.OutcomeEnded, EndedBy: conversation.EndedByPersona, Detail: "content", Turns: 2, Messages: 5,
				Usage: conversation.Usage{InputTokens: 20, OutputTokens: 2, Calls: 2}, Started: began,
			})
	})
	r, err := newOperator(&s).Show(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, []string{"hello?", "good day", "where is my parcel", "on its way", "thanks"}, texts(r.Messages))
	require.Equal(t, []int{0, 1, 2, 3, 4}, indexes(r.Messages))
	require.Equal(t, conversation.RoleAssistant, r.Messages[1].Role)
	require.Equal(t, operate.SourceHistory, r.Source)
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
	var s server
	s.put(workflows.ConversationName, id, "run1", continued, func(e *execution) {
		e.events = record(t, workflows.ConversationInput{Ref: ref}, "").
			exchange(0, 0, "", "p0").reply(1, "a1").exchange(1, 1, "a1", "p2").events
	})
	newest := s.put(workflows.ConversationName, id, "run2", completed, func(e *execution) {
		e.info.FirstRunId = "run1"
		in := workflows.ConversationInput{Ref: ref, Carried: &workflows.Carried{
			// Only the newest message fits.
			Count: 3, Messages: []conversation.Message{conversation.Text(conversation.RoleUser, "p2")}, New: 1,
			Started: began, Turn: 1, Usage: conversation.Usage{InputTokens: 10},
		}}
		e.events = record(t, in, "run1").reply(2, "a3").exchange(2, 3, "a3", "p4").
			completed(conversation.Outcome{Kind: conversation.OutcomeEnded, Turns: 2})
	})
	r, err := newOperator(&s).Show(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, []string{"p0", "a1", "p2", "a3", "p4"}, texts(r.Messages))

	t.Run("RetentionTookTheFirst", func(t *testing.T) {
		t.Parallel()
		var s server
		s.executions = []*execution{newest}
		r, err := newOperator(&s).Show(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, []int{2, 3, 4}, indexes(r.Messages))
	})
}

func TestShowBroken(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		put    func(*testing.T, *server)
		result string
		detail string
		texts  []string
	}{
		"Failed": {
			put: func(t *testing.T, s *server) {
				s.put(workflows.ConversationName, id, "run1", failed, func(e *execution) {
					e.events = record(t, workflows.ConversationInput{Ref: ref}, "").exchange(0, 0, "", "p0").reply(1, "a1").
						failed(conversation.Outcome{Kind: conversation.OutcomeFailed, Detail: "the key is wrong"})
				})
			},
			result: "failed", detail: "the key is wrong", texts: []string{"p0", "a1 (unsent)"},
		},
		"Terminated": {
			put: func(t *testing.T, s *server) {
				s.put(workflows.ConversationName, id, "run1", terminated, func(e *execution) {
					e.events = record(t, workflows.ConversationInput{Ref: ref}, "").exchange(0, 0, "", "p0").terminated("cleaning up")
				})
			},
			result: "terminated", detail: "it was terminated: cleaning up", texts: []string{"p0"},
		},
		"EndedBeforeTheReply": {
			put: func(t *testing.T, s *server) {
				s.put(workflows.ConversationName, id, "run1", completed, func(e *execution) {
					r := record(t, workflows.ConversationInput{Ref: ref}, "").exchange(0, 0, "", "p0").reply(1, "a1")
					r.activity(activities.ExchangeName,
						activities.ExchangeInput{Turn: 1, Before: 1, Messages: []conversation.Message{conversation.Text(conversation.RoleAssistant, "a1")}},
						activities.ExchangeResult{Count: 1, Ended: true})
					e.events = r.completed(conversation.Outcome{Kind: conversation.OutcomeEnded})
				})
			},
			result: "ended", texts: []string{"p0", "a1 (unsent)"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s server
			tt.put(t, &s)
			r, err := newOperator(&s).Show(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, tt.result, r.Result())
			require.Equal(t, tt.detail, r.Detail)
			require.Equal(t, tt.texts, texts(r.Messages))
		})
	}
}

// live makes an execution answer queries from a list of messages, of which it
// holds those from an index on, and gives them two at a time.
func live(e *execution, status workflows.Status, held int, all ...conversation.Message) {
	e.status = status
	e.transcript = func(q workflows.TranscriptQuery) workflows.Transcript {
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
	var s server
	s.put(workflows.ConversationName, id, "run1", continued, func(e *execution) {
		e.events = record(t, workflows.ConversationInput{Ref: ref}, "").exchange(0, 0, "", "p0").events
	})
	s.put(workflows.ConversationName, id, "run2", running, func(e *execution) {
		live(e, workflows.Status{
			State: workflows.StateNeedsAttention, Step: "turn 2 · reply", Turn: 1,
			Attention: &workflows.Attention{Reason: "no quota", Remedy: "pay"},
		}, 1, said("p0", "p1", "p2", "p3")...)
		e.events = record(t, workflows.ConversationInput{Ref: ref, Carried: &workflows.Carried{Count: 2, Messages: said("p1")}}, "run1").events
	})
	r, err := newOperator(&s).Show(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, operate.SourceWorker, r.Source)
	require.Equal(t, []string{"p0", "p1", "p2", "p3"}, texts(r.Messages))
	require.Equal(t, "pay", r.Attention.Remedy)
	require.Equal(t, string(workflows.StateNeedsAttention), r.Status)
	require.True(t, r.NeedsOperator())
}

func TestShowRunningWithoutAWorker(t *testing.T) {
	t.Parallel()
	var s server
	s.put(workflows.ConversationName, id, "run1", running, func(e *execution) {
		e.events = record(t, workflows.ConversationInput{Ref: ref, Policy: conversation.Policy{Executor: "auto"}}, "").exchange(0, 0, "", "p0").events
		e.attribute(t, workflows.KeyStatus.GetName(), "talking")
	})
	r, err := newOperator(&s).Show(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, operate.SourceHistory, r.Source)
	require.Equal(t, "talking", r.Status)
	require.Equal(t, []string{"p0"}, texts(r.Messages))
}

func TestShowUnknown(t *testing.T) {
	t.Parallel()
	_, err := newOperator(&server{}).Show(t.Context(), id)
	require.Equal(t, operate.NotFound, operate.KindOf(err))
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
		record func(r *recording) *recording
		turns  int
		texts  []string
		at     []int
	}{
		"Adopted": {
			record: func(r *recording) *recording {
				return r.activity(activities.ContextName, activities.ContextInput{Ref: ref}, activities.ContextResult{Messages: tail, Count: 121, Turns: 60})
			},
			turns: 60, texts: []string{"p118", "a119", "p120"}, at: []int{118, 119, 120},
		},
		"HandedOver": {
			record: func(r *recording) *recording {
				return r.activity(activities.ContextName, activities.ContextInput{Ref: ref}, activities.ContextResult{Messages: tail, Count: 121, Turns: 60}).
					activity(activities.ContextName, activities.ContextInput{Ref: ref}, activities.ContextResult{HandedOver: true})
			},
			turns: 60, texts: []string{"p118", "a119", "p120"}, at: []int{118, 119, 120},
		},
		"ReadAnew": {
			record: func(r *recording) *recording {
				return r.activity(activities.ContextName, activities.ContextInput{Ref: ref}, activities.ContextResult{Messages: tail, Count: 121, Turns: 60}).
					reply(61, "a121").exchange(61, 121, "a121", "p122").
					reply(62, "never sent").
					activity(activities.ContextName, activities.ContextInput{Ref: ref}, activities.ContextResult{Messages: anew, Count: 125, Turns: 62})
			},
			turns: 62, texts: []string{"p118", "a119", "p120", "a121", "p122", "by another", "p124"}, at: []int{118, 119, 120, 121, 122, 123, 124},
		},
		"Given": {given: tail, record: func(r *recording) *recording { return r }, turns: 1, texts: []string{"p118", "a119", "p120"}, at: []int{0, 1, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s server
			s.put(workflows.ConversationName, id, "run1", running, func(e *execution) {
				in := workflows.ConversationInput{Ref: ref}
				if tt.given != nil {
					in.Start = &workflows.Start{Messages: tt.given}
				}
				e.events = tt.record(record(t, in, "")).events
			})
			r, err := newOperator(&s).Show(t.Context(), id)
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
	next := began.Add(time.Minute)
	var s server
	s.put(workflows.ConversationName, id, "run1", running, func(e *execution) {
		e.events = record(t, workflows.ConversationInput{Ref: ref}, "").events
		failure := temporal.GetDefaultFailureConverter().ErrorToFailure(temporal.NewApplicationErrorWithOptions(
			"reply: connection refused", "Unavailable",
			temporal.ApplicationErrorOptions{Details: []any{activities.ErrorDetails{Kind: conversation.Unavailable, Remedy: "start the agent"}}}))
		e.pending = []*workflow.PendingActivityInfo{
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
	o := newOperator(&s)
	r, err := o.Show(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, []workflows.Retrying{want}, r.Retrying)
	page, err := o.List(t.Context(), operate.Filter{}, 0)
	require.NoError(t, err)
	require.Equal(t, []workflows.Retrying{want}, page.Conversations[0].Retrying)

	// A worker knows the step's name, and the attempts that other workers handed over.
	s.executions[0].status = workflows.Status{State: workflows.StateTalking, Step: "turn 2 · reply", Retrying: []workflows.Retrying{
		{ID: "reply-3", Step: "turn 2 · reply", Attempt: 4, Of: 10},
	}}
	s.executions[0].transcript = func(workflows.TranscriptQuery) workflows.Transcript { return workflows.Transcript{} }
	want.Step, want.Attempt, want.Of = "turn 2 · reply", 6, 10
	r, err = o.Show(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, []workflows.Retrying{want}, r.Retrying)
}

// What an operator answered is shown where no exchange records it: in a task, and in a
// direct conversation whose agent was calling tools.
func TestShowAnswersOfOperators(t *testing.T) {
	t.Parallel()
	var s server
	task := &conversation.Task{Payload: []byte(`{"message":"sum it up"}`)}
	calls := activities.ReplyResult{
		Message: conversation.Message{Role: conversation.RoleAssistant, Parts: []conversation.Part{
			{Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{ID: "1", Name: "find"}},
		}},
		Calls: []activities.PlannedCall{{CallID: "1", Tool: "find"}},
	}
	ended := conversation.Outcome{Kind: conversation.OutcomeEnded, EndedBy: conversation.EndedByAgent, Turns: 1, Messages: 2}
	for name, events := range map[string][]*history.HistoryEvent{
		"task": record(t, workflows.ConversationInput{Ref: ref, Side: workflows.SideTask}, "").
			activity(activities.ContextName, activities.ContextInput{}, activities.ContextResult{Context: conversation.Context{Task: task}}).
			update(workflows.UpdateTakeover, workflows.TakeoverRequest{Text: "by an operator"}, nil).
			completed(ended),
		"private task": record(t, workflows.ConversationInput{
			Ref: ref, Side: workflows.SideTask, Start: &workflows.Start{Context: conversation.Context{Task: task}},
		}, "").
			update(workflows.UpdateTakeover, workflows.TakeoverRequest{Text: "by an operator"}, nil).
			completed(ended),
		"direct": record(t, workflows.ConversationInput{Ref: ref, Side: workflows.SideDirect}, "").
			activity(activities.ReplyName, activities.ReplyInput{Turn: 1, New: said("sum it up")}, calls).
			update(workflows.UpdateSend, workflows.SendRequest{ID: "m1", Text: "sum it up"},
				workflows.SendReply{ID: "m1", Index: 1, Turn: 1, Message: conversation.Text(conversation.RoleAssistant, "by an operator")}).
			completed(ended),
	} {
		run := strings.ReplaceAll(name, " ", "-")
		s.put(workflows.ConversationName, "mem/p/"+run, run, completed, func(e *execution) { e.events = events })
		r, err := newOperator(&s).Show(t.Context(), "mem/p/"+run)
		require.NoError(t, err, name)
		require.Equal(t, []string{"sum it up", "by an operator"}, texts(r.Messages), name)
		require.Equal(t, 1, r.Turns, name)
	}
}
