package workflows

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/conversation"
)

// run is the state of one run of the workflow Conversation.
type run struct {
	in     ConversationInput
	policy conversation.Policy
	side   side
	// onlyCopy means that no platform has the transcript.
	onlyCopy bool
	// exchanges means that an exchange delivers each reply.
	exchanges bool

	about   conversation.Context
	started time.Time
	state   State
	// upserted is when the search attributes were last brought up to date.
	upserted time.Time
	outcome  *conversation.Outcome

	transcript transcript
	agent      agent
	replied    replied
	usage      usage
	claim      claim
	resets     resets
	wishes     wishes
	approvals  approvals
	// attention is set while the conversation is parked.
	attention *Attention

	steps    steps
	turnTime turnTime
	// roundTook has the times of the tool calls of the present round, in milliseconds.
	roundTook []int64
	// waiting: for capacity of the platform.
	waiting bool
	// sending: an exchange may have reached the platform. outgoing is that exchange.
	sending  bool
	outgoing *exchange
	// eager: Temporal gives activities of this conversation to the worker that schedules them.
	eager bool

	events events
}

// agent is what produces the agent's messages.
type agent struct {
	executor, model string
	// state is what the executor keeps from turn to turn.
	state json.RawMessage
	// limit is how many bytes of messages have fitted, after more had not. Zero: all have.
	limit int
}

// use makes another executor reply from now on. The state of one executor means nothing
// to another, nor does what has fitted.
func (a *agent) use(executor string) { a.executor, a.state, a.limit = executor, nil, 0 }

// choose lets the conversation's metadata pick the executor among those allowed.
func (a *agent) choose(about conversation.Context, allowed []string) {
	if name := about.Executor(); name != "" && slices.Contains(allowed, name) {
		a.executor = name
	}
}

func newRun(ctx workflow.Context, in ConversationInput) *run {
	if in.Ref.ID == "" {
		// A schedule gives every workflow the same input, and an id of its own.
		in.Ref.ID = strings.TrimPrefix(workflow.GetInfo(ctx).WorkflowExecution.ID, ConversationID(in.Ref))
	}
	id := firstRunID(ctx)
	r := &run{
		in: in, policy: in.Policy, agent: agent{executor: in.Policy.Executor},
		started: workflow.Now(ctx).UTC(), upserted: workflow.Now(ctx), state: StateClaiming,
		resets: resets{run: id}, claim: claim{run: id},
	}
	if in.Carried != nil {
		r.restore(ctx, *in.Carried)
	}
	r.choose()
	return r
}

// firstRunID is the run whose history this is, at its beginning: in a run that was
// reset, the one it was reset from.
func firstRunID(ctx workflow.Context) string {
	info := workflow.GetInfo(ctx)
	return cmp.Or(info.OriginalRunID, info.WorkflowExecution.RunID)
}

// open begins a conversation that is known beforehand.
func (r *run) open(ctx workflow.Context) {
	r.claim.held = true
	if start := r.in.Start; start != nil {
		r.about = start.Context
		r.transcript.replace(start.Record())
	}
	r.notify(ctx, conversation.EventStarted, "")
	r.setState(ctx, StateTalking)
}

// setState changes what the conversation is seen to be doing.
func (r *run) setState(ctx workflow.Context, s State) {
	if r.state == s {
		return
	}
	r.state = s
	r.show(ctx)
	if s == StateEnding || s == StateClosed {
		return // over in a moment, with the outcome
	}
	r.upsertState(ctx)
}

// activeState is the state of a conversation that is not held back.
func (r *run) activeState() State {
	if r.claim.held {
		return StateTalking
	}
	return StateClaiming
}

func (r *run) expired(ctx workflow.Context) bool {
	return !r.about.Expires.IsZero() && !workflow.Now(ctx).Before(r.about.Expires)
}

// mustEnd is the ending of a conversation that must not go on, else nil.
func (r *run) mustEnd(ctx workflow.Context) *ending {
	switch {
	case r.side.stopped() != nil:
		return r.side.stopped()
	case r.wishes.end != nil:
		return &ending{kind: conversation.OutcomeEnded, by: conversation.EndedByOperator, detail: r.wishes.end.detail(), open: r.claim.held}
	case r.expired(ctx):
		return &ending{
			kind: conversation.OutcomeExpired, open: true,
			detail: "it expired on the platform at " + r.about.Expires.UTC().Format("2006-01-02 15:04:05 UTC"),
		}
	}
	return nil
}

// ends reports that an operator or the other side wants the conversation to end.
func (r *run) ends() bool { return r.wishes.end != nil || r.side.stopped() != nil }

// interrupted reports that a step is not to be waited for: the conversation is to end, or
// to be reconciled.
func (r *run) interrupted() bool { return r.ends() || r.resets.stale != nil }

// replyInterrupted reports the same of a reply, which an operator may answer too.
func (r *run) replyInterrupted() bool { return r.wishes.takeover != nil || r.interrupted() }

// waitsForOperator reports that nothing goes on before an operator decides.
func (r *run) waitsForOperator() bool { return r.attention != nil || len(r.approvals.waiting()) > 0 }
