package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
)

// keepsReply says why the agent's reply cannot be asked for anew. Empty: it can. A reply is
// withdrawn only where it is certain that the platform does not have it and will not get it.
func (r *run) keepsReply() string {
	x := r.outgoing
	switch {
	case r.attention == nil || x == nil || x.reply == nil || x.failed == nil:
		return "the conversation is not parked with a reply to send: a new reply can be asked for only then"
	case x.failed.kind == conversation.Ambiguous || x.failed.kind == conversation.Diverged:
	case x.in.Tried == nil && !x.failed.ambiguous, answered(x.in.Tried):
		return ""
	}
	return "the agent's reply may have reached the platform, or may still: it cannot be replaced; resume without a new reply, or end the conversation"
}

// suggestsNewReply reports whether another reply may help: the platform has refused this one,
// and is not just out of reach.
func (r *run) suggestsNewReply(f failure) bool {
	return r.keepsReply() == "" && (f.kind == conversation.Invalid || f.kind == conversation.Refused || answered(r.outgoing.in.Tried))
}

// answered reports whether the platform has answered each request that was made: the effect
// they have had is in its transcript by now.
func answered(m *activities.Mark) bool { return m != nil && m.Answered }

// fails keeps the failure for which the conversation is about to park.
func (x *exchange) fails(f failure) recovery {
	x.failed = &f
	return none
}

// replace withdraws the reply if an operator wants another. Where requests were answered
// with errors that may have taken effect all the same, the transcript is read first.
func (x *exchange) replace(ctx workflow.Context) (withdrawn, found bool, now *failure) {
	wanted := x.wishes.newReply
	x.wishes.newReply = false
	if !wanted {
		return false, false, nil
	}
	if answered(x.in.Tried) {
		x.absent = false
		if found, now = x.readOnly(ctx, true); found || now != nil {
			return false, found, now
		}
		if !x.absent {
			return false, false, &failure{
				kind: conversation.Unavailable, ambiguous: true,
				reason: "the platform's transcript could not be read to see whether it has the agent's reply: no new one was asked for",
				remedy: "starter resume --new-reply tries again",
			}
		}
	}
	x.withdrawn = true
	return true, false, nil
}

// withdraw forgets a reply that is not sent. The executor is asked again, without what it
// keeps on its side, where it has said that reply. The results of the turn's tools stay. All
// keys are new: the requests are others.
func (r *run) withdraw(old *reply) {
	r.agent.state = nil
	r.resets.reconciled++
	r.transcript.unsee(old.before)
}
