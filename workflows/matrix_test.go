package workflows_test

import (
	"slices"
	"testing"
	"time"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/workflows"
)

// byOperator is what an operator answers.
const byOperator = "by an operator"

// wrong is a failure that no retry removes.
func wrong(*scene) error {
	return fails(conversation.Invalid, "it is wrong", activities.ErrorDetails{})
}

// asksToWait is a failure of a service that asks for a wait too long for an attempt.
func asksToWait(d time.Duration) func(*scene) error {
	return func(s *scene) error { return waits(s.env.Now().Add(d)) }
}

// meanwhile is such a failure, with something that happens during the wait.
func meanwhile(do func(*scene)) func(*scene) error {
	return func(s *scene) error {
		s.after(2*time.Hour, func() { do(s) })
		return asksToWait(5 * time.Hour)(s)
	}
}

// unattended: no operator resumes the conversation.
func unattended(s *scene, in *workflows.ConversationInput) {
	parks(s, in) // a task would end
	s.unattended = true
}

func parks(_ *scene, in *workflows.ConversationInput) {
	in.Policy.OnExhausted, in.Policy.OnSpent = conversation.Park, conversation.Park
}

func ends(_ *scene, in *workflows.ConversationInput) {
	in.Policy.OnExhausted, in.Policy.OnSpent = conversation.EndConversation, conversation.EndConversation
}

// notLate are the moments before the conversation is being ended.
func notLate(s script, m moment) bool { return !s.late(m) }

// fatal are the moments at which a failure holds a conversation back, or ends it.
func fatal(s script, m moment) bool { return s.activity(m) && !s.late(m) && m != atTool }

// gated reports that the conversation gets to its gate after a moment.
func (s script) gated(m moment) bool {
	if s.task() {
		return m == atClaim || m == atContext
	}
	return !s.late(m)
}

// untilGate is the flow from the beginning to the first gate after a moment.
func (s script) untilGate(m moment) []moment {
	switch {
	case m == atClaim && s.together:
		return s.upTo(atClaim)
	case m == atClaim || m == atContext:
		return s.upTo(atContext)
	case m == atMessage && s.exchanges():
		return s.upTo(atMessage)
	case m == atMessage:
		return nil
	case s.exchanges():
		return s.upTo(atExchange)
	}
	// The last reply of the first turn.
	return slices.Clone(s.flow[:len(s.flow)-1])
}

var interruptions = []interruption{
	{
		name: "cancel",
		do:   func(s *scene) { s.env.CancelWorkflow() },
		cuts: notLate,
		want: func(s script, m moment) expected {
			if s.late(m) {
				return undisturbed(s)
			}
			want := cutShort(s, m, conversation.OutcomeCancelled, conversation.EndedByOperator)
			if m == atClaim {
				want.claims = 1
			}
			return want
		},
	},
	{
		name: "end",
		do:   func(s *scene) { s.operate(workflows.UpdateEnd, workflows.EndRequest{Reason: "enough"}) },
		cuts: notLate,
		want: func(s script, m moment) expected {
			if s.late(m) {
				want := undisturbed(s)
				want.refused = true
				return want
			}
			want := cutShort(s, m, conversation.OutcomeEnded, conversation.EndedByOperator)
			want.detail = "enough"
			if m == atClaim {
				want.claims = 1
			}
			return want
		},
	},
	{
		name: "pause and resume",
		do:   func(s *scene) { s.operate(workflows.UpdatePause, workflows.PauseRequest{}) },
		want: func(s script, m moment) expected {
			want := undisturbed(s)
			want.refused = s.late(m)
			if s.gated(m) {
				want.state = workflows.StatePaused
			}
			return want
		},
	},
	{
		name: "pause and expiry",
		exists: func(s script, m moment) bool {
			return s.gated(m) && !s.task()
		},
		prepare: func(s *scene, _ *workflows.ConversationInput) { s.expires = s.env.Now().Add(26 * time.Hour) },
		do:      func(s *scene) { s.operate(workflows.UpdatePause, workflows.PauseRequest{}) },
		want: func(s script, m moment) expected {
			want := expected{
				kind: conversation.OutcomeExpired, calls: append(s.untilGate(m), s.ending(atExchange)...),
				state: workflows.StatePaused, detail: "it expired on the platform",
			}
			if m != atClaim && m != atContext && m != atMessage {
				want.turns = 1
			}
			return want
		},
	},
	{
		name: "takeover",
		do: func(s *scene) {
			s.operate(workflows.UpdateTakeover, workflows.TakeoverRequest{Text: byOperator, End: true})
		},
		cuts: func(s script, m moment) bool { return m == atReply || m == atTool },
		want: func(s script, m moment) expected {
			want := undisturbed(s)
			switch {
			case m == atClaim || s.late(m):
				want.refused = true // there is nothing to answer, or no turn any more
				return want
			case m == atExchange: // it is for the second turn
				want.calls = slices.Delete(want.calls, slices.Index(want.calls, atExchange)+1, slices.Index(want.calls, atExchange)+2)
				return want
			case m == atContext && s.exchanges():
				want.calls = s.upTo(atMessage)
			default:
				want.calls = s.upTo(m)
			}
			want.turns = 1
			want.calls = append(append(want.calls, s.send()...), s.ending(atReply)...)
			return want
		},
	},
	{
		name: "failure, resumed", prepare: parks, fails: wrong, exists: script.activityAt,
		want: func(s script, m moment) expected {
			want := undisturbed(s)
			if fatal(s, m) {
				want.calls = append(want.calls, m)
				want.state = workflows.StateNeedsAttention
			}
			if m == atEnd {
				want.detail = "it could not be ended on the platform: it is wrong"
			}
			return want
		},
	},
	{
		name: "failure, resumed with a new reply", fails: wrong, exists: func(_ script, m moment) bool { return m == atExchange },
		prepare: func(s *scene, in *workflows.ConversationInput) {
			parks(s, in)
			s.newReply = true
		},
		want: func(s script, _ moment) expected {
			// This agent calls its tools again: each call is another one, with another key.
			anew := s.flow[slices.Index(s.flow, atReply) : slices.Index(s.flow, atExchange)+1]
			want := undisturbed(s, anew...)
			want.state = workflows.StateNeedsAttention
			return want
		},
	},
	{
		name: "too long", exists: func(_ script, m moment) bool { return m == atReply },
		fails: func(*scene) error {
			return fails(conversation.ContextTooLong, "too long", activities.ErrorDetails{Sent: &activities.SentMessages{Messages: 4, Bytes: 400}})
		},
		want: func(s script, m moment) expected { return undisturbed(s, m) },
	},
	{
		name: "failure, ended", prepare: ends, fails: wrong, exists: fatal,
		want: func(s script, m moment) expected {
			want := cutShort(s, m, conversation.OutcomeFailed, "")
			want.detail = "it is wrong"
			return want
		},
	},
	{
		name: "failure, expired", fails: wrong, exists: func(s script, m moment) bool {
			return fatal(s, m) && !s.task() && m != atClaim && m != atContext // its expiry is not known yet
		},
		prepare: func(s *scene, _ *workflows.ConversationInput) { s.expires = s.env.Now().Add(26 * time.Hour) },
		want: func(s script, m moment) expected {
			want := cutShort(s, m, conversation.OutcomeExpired, "")
			want.state = workflows.StateNeedsAttention
			return want
		},
	},
	{
		// The other side asks for a wait of five hours. The operator is not needed.
		name: "wait", prepare: unattended, fails: asksToWait(5 * time.Hour), exists: fatal,
		want: func(s script, m moment) expected {
			want := undisturbed(s)
			want.calls = append(want.calls, m)
			want.state = workflows.StateNeedsAttention
			return want
		},
	},
	{
		name: "wait, resumed", prepare: parks, fails: asksToWait(200 * time.Hour), exists: fatal,
		want: func(s script, m moment) expected {
			want := undisturbed(s)
			want.calls = append(want.calls, m)
			want.state = workflows.StateNeedsAttention
			return want
		},
	},
	{
		name: "wait, on_exhausted end", prepare: ends, fails: asksToWait(5 * time.Hour), exists: fatal,
		want: func(s script, m moment) expected {
			want := cutShort(s, m, conversation.OutcomeFailed, "")
			want.detail = "too many requests"
			return want
		},
	},
	{
		name: "wait, cancelled", prepare: unattended, exists: fatal,
		fails: meanwhile(func(s *scene) { s.env.CancelWorkflow() }),
		want: func(s script, m moment) expected {
			want := cutShort(s, m, conversation.OutcomeCancelled, conversation.EndedByOperator)
			want.state = workflows.StateNeedsAttention
			return want
		},
	},
	{
		name: "wait, ended", prepare: unattended, exists: fatal,
		fails: meanwhile(func(s *scene) { s.operate(workflows.UpdateEnd, workflows.EndRequest{Reason: "enough"}) }),
		want: func(s script, m moment) expected {
			want := cutShort(s, m, conversation.OutcomeEnded, conversation.EndedByOperator)
			want.detail, want.state = "enough", workflows.StateNeedsAttention
			return want
		},
	},
	{
		// While it is paused it does not continue by itself: an operator resumes it.
		name: "wait, paused", exists: fatal,
		prepare: func(s *scene, in *workflows.ConversationInput) {
			unattended(s, in)
			s.resumeAt = 20 * time.Hour
		},
		fails: meanwhile(func(s *scene) { s.operate(workflows.UpdatePause, workflows.PauseRequest{}) }),
		want: func(s script, m moment) expected {
			want := undisturbed(s)
			want.calls = append(want.calls, m)
			want.state = workflows.StateNeedsAttention
			return want
		},
	},
	{
		name: "wait, takeover", prepare: unattended, exists: func(s script, m moment) bool { return m == atReply },
		fails: meanwhile(func(s *scene) {
			s.operate(workflows.UpdateTakeover, workflows.TakeoverRequest{Text: byOperator, End: true})
		}),
		want: func(s script, m moment) expected {
			want := undisturbed(s)
			want.calls, want.turns = append(append(s.upTo(m), s.send()...), s.ending(atReply)...), 1
			want.state = workflows.StateNeedsAttention
			return want
		},
	},
	{
		name: "wait, expired", fails: asksToWait(200 * time.Hour), exists: func(s script, m moment) bool {
			return fatal(s, m) && !s.task() && m != atClaim && m != atContext // its expiry is not known yet
		},
		prepare: func(s *scene, _ *workflows.ConversationInput) { s.expires = s.env.Now().Add(26 * time.Hour) },
		want: func(s script, m moment) expected {
			want := cutShort(s, m, conversation.OutcomeExpired, "")
			want.state = workflows.StateNeedsAttention
			return want
		},
	},
	{
		name: "wait, continue-as-new", prepare: unattended, exists: fatal,
		fails: meanwhile(func(s *scene) { s.env.SetContinueAsNewSuggested(true) }),
		want: func(s script, m moment) expected {
			want := undisturbed(s)
			want.calls = append(want.calls, m)
			want.state = workflows.StateNeedsAttention
			return want
		},
	},
	{
		name: "hand-over", handOver: true, exists: script.activityAt,
		want: func(s script, m moment) expected { return undisturbed(s, m) },
	},
	{
		name: "reset", exists: script.activityAt,
		fails: func(s *scene) error {
			s.run = "run2"
			if s.at == atContext {
				return nil // it is read in the new run
			}
			return wasReset(s.run)
		},
		want: afterReset,
	},
	{
		name: "continue-as-new", exists: notLate,
		do:   func(s *scene) { s.env.SetContinueAsNewSuggested(true) },
		want: func(s script, _ moment) expected { return undisturbed(s) },
	},
	{
		name: "spent, resumed", exists: func(_ script, m moment) bool { return m == atReply },
		prepare: func(s *scene, in *workflows.ConversationInput) {
			parks(s, in)
			in.Policy.MaxTokens = 5
		},
		do: func(*scene) {},
		want: func(s script, _ moment) expected {
			want := undisturbed(s)
			want.state = workflows.StateNeedsAttention
			return want
		},
	},
	{
		name: "spent, ended", exists: func(_ script, m moment) bool { return m == atReply },
		prepare: func(s *scene, in *workflows.ConversationInput) {
			ends(s, in)
			in.Policy.MaxTokens = 5
		},
		do: func(*scene) {},
		want: func(s script, _ moment) expected {
			return cutShort(s, atTool, conversation.OutcomeBudgetSpent, "")
		},
	},
	{
		name: "cancelled by the platform", watched: true,
		exists: func(s script, m moment) bool {
			return s.task() && !s.private && (m == atReply || m == atTool || m == atApproval)
		},
		do:   func(s *scene) { close(s.cancelled) },
		cuts: notLate,
		want: func(s script, m moment) expected {
			return expected{
				kind: conversation.OutcomeEnded, by: conversation.EndedByPlatform, calls: s.upTo(m), task: conversation.TaskCancelled,
				detail: "cancelled on its platform",
			}
		},
	},
	{
		name: "last turn", exists: func(s script, m moment) bool { return m == atReply && !s.task() },
		prepare: func(_ *scene, in *workflows.ConversationInput) { in.Policy.MaxTurns = 1 },
		do:      func(*scene) {},
		want: func(s script, _ moment) expected {
			return expected{
				kind: conversation.OutcomeBudgetSpent, turns: 1, calls: append(s.untilGate(atReply), s.ending(atReply)...), detail: "max_turns",
			}
		},
	},
	{
		name: "capacity revoked", exists: func(s script, _ moment) bool { return s.side != workflows.SideDirect && !s.private },
		prepare: func(s *scene, in *workflows.ConversationInput) {
			in.CountedIn = &workflows.CountedIn{
				Limit: 1, Holds: true, Reservation: activities.Reservation{Seq: 7, Since: s.env.Now()},
			}
		},
		do: func(s *scene) { s.env.SignalWorkflow(workflows.SignalRevoked, activities.Reservation{Seq: 7}) },
		want: func(s script, m moment) expected {
			want := undisturbed(s)
			if s.gated(m) {
				want.state = workflows.StateWaiting
			}
			return want
		},
	},
}

func (s script) activityAt(m moment) bool { return s.activity(m) }

// afterReset: what was not delivered is done once more, and nothing else.
func afterReset(s script, m moment) expected {
	want := doneAgain(s, m)
	if i := slices.Index(want.calls, atTool); notLate(s, m) && m != atClaim && s.side != workflows.SideTransport {
		// The run before may have made the calls: the first is not made again, and the second
		// because an operator says so.
		want.calls = slices.Delete(want.calls, i, i+1)
	}
	return want
}

func doneAgain(s script, m moment) expected {
	want := undisturbed(s)
	switch {
	case m == atContext:
	case s.side == workflows.SideTransport:
		want = cutShort(s, m, conversation.OutcomeFailed, "")
		want.detail = "keeps no transcript to go on from"
		return want
	case s.task() && m == atClaim: // the run that goes on may have claimed it, but has not
		return expected{
			kind: conversation.OutcomeEnded, by: conversation.EndedByPlatform, calls: s.upTo(m), claims: 1, detail: "the workflow was reset",
			task: conversation.TaskCancelled,
		}
	case m == atClaim:
		want.calls = append(want.calls, atContext, atClaim)
	case m == atMessage:
		want.calls = append(want.calls, atContext, atMessage)
	case m == atReply, m == atTool, m == atExchange:
		// All of the turn.
		turn := s.upTo(m)
		turn = turn[slices.Index(turn, atReply):]
		if want.calls = append(want.calls, turn...); s.onPlatform() {
			want.calls = append(want.calls, atContext)
		}
	default:
		want.calls = append(want.calls, m)
	}
	if s.task() {
		want.detail = "the workflow was reset"
		if !s.private && m != atContext {
			want.claims = 1
		}
	}
	return want
}

// Whenever and however a conversation is interrupted, it ends as it should, and does
// nothing twice.
func TestInterruptions(t *testing.T) {
	t.Parallel()
	for _, how := range interruptions {
		for _, side := range scripts {
			for _, at := range side.moments() {
				if how.exists != nil && !how.exists(side, at) {
					continue
				}
				t.Run(how.name+"/"+side.name+"/"+string(at), func(t *testing.T) {
					t.Parallel()
					s := &scene{script: side, at: at, how: how}
					s.play(t)
					s.check(t, how.want(side, at))
				})
			}
		}
	}
}
