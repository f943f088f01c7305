package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
)

// platformSide is a conversation that a platform has, with its transcript.
type platformSide struct {
	*run
	// slowest is the longest that an answer of the other side has taken.
	slowest time.Duration
}

func newPlatformSide(r *run) platformSide {
	s := platformSide{run: r}
	if r.in.Carried != nil {
		s.slowest, s.eager = r.in.Carried.Slowest, r.in.Carried.Eager
	}
	return s
}

var _ side = (*platformSide)(nil)

func (s *platformSide) begin(ctx workflow.Context) (*ending, error) {
	if e, err := s.enter(ctx); e != nil || err != nil {
		return e, err
	}
	if s.in.Adopt {
		s.claim.held = true
		return s.learn(ctx)
	}
	if done, e, err := s.requestClaim(ctx); !done {
		return e, err
	}
	return s.learn(ctx)
}

// learn reads what the platform knows, and takes it as the state of the conversation.
func (s *platformSide) learn(ctx workflow.Context) (*ending, error) {
	out, done, e, err := s.readContext(ctx)
	if !done {
		return e, err
	}
	// Reset to before this was read: nothing has been compared yet.
	reset := out.RunID != s.resets.run
	if reset {
		s.foundReset()
		if out, done, e, err = s.awaitLateMessages(ctx, out); !done {
			return e, err
		}
	}
	if e, err = s.take(ctx, out); e != nil && reset {
		e.detail = join("the workflow was reset", e.detail)
	}
	if e == nil && err == nil {
		s.setState(ctx, StateTalking)
	}
	return e, err
}

// take records what the platform holds.
func (s *platformSide) take(ctx workflow.Context, out activities.ContextResult) (*ending, error) {
	s.resets.run = out.RunID
	if out.Context.Task != nil {
		return &ending{kind: conversation.OutcomeFailed, cause: conversation.Invalid, detail: wrongSide(s.in.Ref.Platform, "task", SideTask)}, nil
	}
	s.about = out.Context
	s.agent.choose(s.about, s.policy.Executors)
	if e, err := s.parkForFinding(ctx, stepContext, out.Park); e != nil || err != nil {
		return e, err
	}
	if out.State == activities.StateEnded {
		return &ending{kind: conversation.OutcomeEnded, by: out.EndedBy, detail: out.EndDetail}, nil
	}
	return nil, nil
}

func (s *platformSide) nextMessage(ctx workflow.Context) (bool, *ending, error) {
	if s.transcript.agentsTurn(s.about.AgentFirst) {
		return true, nil, nil
	}
	e, err := s.exchange(ctx, nil)
	return false, e, err
}

func (s *platformSide) deliverReply(ctx workflow.Context, r *reply) (*ending, error) {
	if r.end && r.message.PlainText() == "" {
		return &ending{kind: conversation.OutcomeEnded, by: conversation.EndedByAgent, open: true}, nil
	}
	return s.exchange(ctx, r)
}

// reconcile reads the conversation and goes on from what the platform holds: nothing is
// bought or sent twice. A conversation that has ended there has ended.
func (s *platformSide) reconcile(ctx workflow.Context, reset bool) (*ending, error) {
	out, done, e, err := s.readContext(ctx)
	if !done {
		return e, err
	}
	if reset {
		if out, done, e, err = s.awaitLateMessages(ctx, out); !done {
			return e, err
		}
	}
	if out.State == activities.StateUnknown && out.Count == 0 {
		return noTranscript(s.in.Ref.Platform), nil
	}
	if out.State == activities.StateWaiting && !s.in.Adopt {
		// The run was reset to before its claim, and has not claimed it: it called no tools.
		s.resets.turns = 0
		s.resets.run, s.claim = out.RunID, claim{run: out.RunID}
		if done, e, err := s.requestClaim(ctx); !done {
			return e, err
		}
		return s.learn(ctx)
	}
	return s.goOnFrom(ctx, out)
}

// goOnFrom replaces the state of an open conversation by what the platform holds.
func (s *platformSide) goOnFrom(ctx workflow.Context, out activities.ContextResult) (*ending, error) {
	s.claim.held, s.claim.ambiguous = true, false
	s.wishes.dropRepeated(out.Messages)
	executor := s.agent.executor
	e, err := s.take(ctx, out)
	if s.transcript.Count() > 0 {
		s.agent.executor = executor // chosen before, perhaps by an operator
	}
	// What the executor keeps on its side is about another transcript.
	s.agent.state = nil
	if e != nil || err != nil {
		return e, err
	}
	s.setState(ctx, StateTalking)
	s.show(ctx)
	return nil, nil
}

func (s *platformSide) end(ctx workflow.Context, e *ending) {
	s.resolveClaim(ctx, e)
	if e.open {
		s.endThere(ctx, e)
	}
}

// endThere ends the conversation on the platform. If that fails for good, the outcome
// says so: nothing else will end it.
func (s *platformSide) endThere(ctx workflow.Context, e *ending) {
	out, err := s.requestEnd(ctx)
	if err != nil && failureOf(err).kind == conversation.Reset {
		// Ending what has ended does no harm.
		s.resets.run = failureOf(err).runID
		out, err = s.requestEnd(ctx)
	}
	if err != nil {
		e.detail = join(e.detail, "it could not be ended on the platform: "+failureOf(err).String())
		return
	}
	if s.transcript.unverified > 0 && out.Turns > s.transcript.Turns { // the last of ours may have been delivered twice
		e.detail = join(e.detail, fmt.Sprintf("the platform has %d messages of the agent, expected %d", out.Turns, s.transcript.Turns))
	}
	s.transcript.AtLeast(out.Count, out.Turns)
	// It may have ended there before we wanted it to.
	if e.kind == conversation.OutcomeEnded && out.EndedBy != "" && out.EndedBy != conversation.EndedByAgent {
		e.by, e.detail = out.EndedBy, join(e.detail, out.EndDetail)
	}
}

func (s *platformSide) requestEnd(ctx workflow.Context) (out activities.EndResult, err error) {
	err = s.runToEnd(ctx, "end", activities.EndOptions(s.policy), activities.EndName,
		func(int) any { return activities.EndInput{Ref: s.in.Ref, Run: s.resets.run} },
		func(f workflow.Future) (bool, int, error) {
			out = activities.EndResult{}
			err := f.Get(ctx, &out)
			return out.HandedOver, out.Failed, err
		})
	return out, err
}

func (s *platformSide) stopped() *ending { return nil }

func (s *platformSide) drained() bool { return true }

func (s *platformSide) describe(*Status) {}

func (s *platformSide) carry(c *Carried) { c.Slowest, c.Eager = s.slowest, s.eager }
