package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/conversation"
)

// Error types of UpdateSend, for callers to act on.
const (
	// ErrTypeBusy: the conversation takes no message for a moment. Send it again.
	ErrTypeBusy = "ConversationBusy"
	// ErrTypeOver: the conversation ended before the message had a reply.
	ErrTypeOver = "ConversationOver"
	// ErrTypeForgotten: the message was answered so long ago that only the
	// transcript has the reply.
	ErrTypeForgotten = "ReplyForgotten"
)

// directSide is a conversation whose other side are clients that send updates. The
// workflow alone has it.
type directSide struct {
	*run
	mailbox mailbox
}

var _ side = (*directSide)(nil)

func newDirectSide(r *run) *directSide {
	s := &directSide{run: r}
	if r.in.Carried != nil {
		s.mailbox.answered = r.in.Carried.Answered
	}
	return s
}

func (s *directSide) begin(ctx workflow.Context) (*ending, error) {
	s.open(ctx)
	s.agent.choose(s.about, s.policy.Executors)
	return nil, nil
}

// nextMessage waits until a client sends a message.
func (s *directSide) nextMessage(ctx workflow.Context) (bool, *ending, error) {
	if s.transcript.agentsTurn(s.about.AgentFirst) {
		return true, nil, nil
	}
	ready := func() bool { return len(s.mailbox.queue) > 0 || s.ends() || s.wishes.paused != nil }
	if !ready() {
		s.steps.now = ""
		s.setState(ctx, StateListening)
		inTime, err := s.awaitMessage(ctx, ready)
		switch {
		case err != nil:
			return false, nil, err
		case !inTime && !ready():
			return false, &ending{kind: conversation.OutcomeExpired, detail: fmt.Sprintf("no message came for %s", s.in.IdleTimeout)}, nil
		case s.wishes.paused != nil || s.ends():
			return false, nil, nil // the gate sees to it
		}
		s.setState(ctx, StateTalking)
	}
	if req, ok := s.mailbox.take(); ok {
		s.mailbox.index = s.transcript.Next
		s.transcript.received(req.Message(workflow.Now(ctx).UTC()))
	}
	return false, nil, nil
}

func (s *directSide) awaitMessage(ctx workflow.Context, ready func() bool) (inTime bool, err error) {
	if s.in.IdleTimeout < 0 {
		return true, workflow.Await(ctx, ready)
	}
	return workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
		Timeout:      s.in.IdleTimeout,
		TimerOptions: workflow.TimerOptions{Summary: "no message comes"},
	}, ready)
}

// deliverReply answers the update that waits for the agent's message.
func (s *directSide) deliverReply(_ workflow.Context, r *reply) (*ending, error) {
	if len(r.message.Parts) > 0 {
		s.transcript.sent(r)
	} else {
		s.transcript.sentNothing()
	}
	s.mailbox.answer(SendReply{
		Index: s.transcript.Next - min(len(r.message.Parts), 1), Turn: s.transcript.Turns, Message: r.message, Ended: r.end || s.lastTurn(),
	})
	if r.end {
		return &ending{kind: conversation.OutcomeEnded, by: conversation.EndedByAgent}, nil
	}
	return nil, nil
}

// reconcile has nothing to compare with: nothing was sent anywhere.
func (s *directSide) reconcile(workflow.Context, bool) (*ending, error) { return nil, nil }

// end has nothing to do: the outcome answers the updates that wait.
func (s *directSide) end(workflow.Context, *ending) {}

func (s *directSide) stopped() *ending { return nil }

func (s *directSide) drained() bool {
	s.mailbox.closed = true
	return !s.mailbox.busy()
}

func (s *directSide) describe(status *Status) { status.Queued = len(s.mailbox.queue) }

func (s *directSide) carry(c *Carried) { c.Answered = s.mailbox.newest() }

// maySend refuses what could not be answered.
func (s *directSide) maySend(_ workflow.Context, req SendRequest) error {
	if s.mailbox.knows(req.ID) {
		return nil // sent before
	}
	if err := req.Validate(); err != nil {
		return err
	}
	if err := s.over(); err != nil {
		return temporal.NewApplicationError(err.Error(), ErrTypeOver)
	}
	switch {
	case s.mailbox.closed:
		return temporal.NewApplicationError("the conversation continues in a new run: send the message again", ErrTypeBusy)
	case s.mailbox.waiting() >= maxWaiting:
		return temporal.NewApplicationError(fmt.Sprintf("%d messages wait for their replies already: send it again later", maxWaiting), ErrTypeBusy)
	}
	return nil
}

// onSend takes a message and waits for its reply.
func (s *directSide) onSend(ctx workflow.Context, req SendRequest) (SendReply, error) {
	if !s.mailbox.knows(req.ID) {
		s.mailbox.queue = append(s.mailbox.queue, req)
	}
	// The messages of a cancelled workflow get an answer too: its outcome.
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	err := workflow.Await(ctx, func() bool { return s.mailbox.find(req.ID) != nil || s.outcome != nil })
	if err != nil {
		return SendReply{}, err
	}
	a := s.mailbox.find(req.ID)
	switch {
	case a == nil:
		return SendReply{}, temporal.NewApplicationError(
			join("the conversation ended before this message had a reply: "+s.outcome.String(), s.outcome.Detail), ErrTypeOver)
	case a.Reply == nil:
		return SendReply{ID: a.ID, Turn: a.Turn}, temporal.NewApplicationError(
			fmt.Sprintf("this message was answered in turn %d: its reply is old, and to be had from the transcript", a.Turn), ErrTypeForgotten)
	}
	return *a.Reply, nil
}

// validateSend refuses messages to a side that takes none.
func (r *run) validateSend(ctx workflow.Context, req SendRequest) error {
	side, ok := r.side.(receiver)
	if !ok {
		return errors.New("this conversation is held on its platform: it takes no messages from clients")
	}
	return side.maySend(ctx, req)
}

func (r *run) handleSend(ctx workflow.Context, req SendRequest) (SendReply, error) {
	return r.side.(receiver).onSend(ctx, req)
}
