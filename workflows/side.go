package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/conversation"
)

// A side is the other side of a conversation: all that differs between conversations on
// a platform, over a transport, with clients, and the runs of tasks. The workflow chooses
// it once, by ConversationInput.Side, and then asks for nothing else.
//
// A method that returns an ending ends the conversation with it. An error means that the
// workflow is cancelled.
type side interface {
	// begin makes the conversation this workflow's own and learns of it.
	begin(ctx workflow.Context) (*ending, error)
	// nextMessage waits for the other side's message, or fetches it, unless it is the
	// agent's turn, which it reports. It may return early without either: the loop goes
	// round.
	nextMessage(ctx workflow.Context) (agentsTurn bool, e *ending, err error)
	// deliverReply gives the agent's message to the other side, and records it in the
	// transcript once it has arrived.
	deliverReply(ctx workflow.Context, r *reply) (*ending, error)
	// reconcile brings the state up to what the other side holds, after the workflow was
	// reset or the two have diverged.
	reconcile(ctx workflow.Context, reset bool) (*ending, error)
	// end makes the ending known to the other side, and adds to it what that brings to
	// light. It is called once, when all else is over.
	end(ctx workflow.Context, e *ending)

	// stopped is the ending that the other side has brought about meanwhile, or nil. It
	// interrupts every wait.
	stopped() *ending
	// drained closes the intake of messages and reports whether all that came in are
	// dealt with: only then may the workflow continue as new.
	drained() bool
	// describe adds what only this side knows to the status.
	describe(s *Status)
	// carry adds what only this side knows to the state of the next run.
	carry(c *Carried)
}

// choose gives the run the side that its input says. It is the only place that asks which
// that is.
func (r *run) choose() {
	r.onlyCopy = r.in.Side != SidePlatform
	r.exchanges = r.in.Side == SidePlatform || r.in.Side == SideTransport
	switch r.in.Side {
	case SideTransport:
		r.side = &transportSide{newPlatformSide(r)}
	case SideDirect:
		r.side = newDirectSide(r)
	case SideTask:
		r.side = &taskSide{run: r}
	default:
		platform := newPlatformSide(r)
		r.side = &platform
	}
}

// A receiver is a side to which clients send messages.
type receiver interface {
	maySend(workflow.Context, SendRequest) error
	onSend(workflow.Context, SendRequest) (SendReply, error)
}

var _ receiver = (*directSide)(nil)

// Sides embed the run. It must have none of their methods, or it would stand in for one
// that a side lacks: with one, the struct's would be ambiguous, and this not compile.
type sideMethods interface {
	side
	receiver
}

var _ sideMethods = struct {
	*run
	sideMethods
}{}

// An ending is how the conversation ends.
type ending struct {
	kind   conversation.OutcomeKind
	by     conversation.EndedBy
	detail string
	// cause is the kind of the failure that ends it, if it is known.
	cause conversation.Kind
	// open means that the conversation is still open on its platform.
	open bool
}

// wrongSide explains a platform that has something else than the input says.
func wrongSide(platform string, has, want Side) string {
	return fmt.Sprintf("platform %q has a %s here: start it with side %q", platform, has, want)
}
