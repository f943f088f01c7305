package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/conversation"
)

// A reply that is cut off is continued so often, while it has at most so many bytes: each
// request has it in its input and in its result.
const (
	maxContinuations = 4
	maxContinued     = 256 << 10
)

// continues prepares the request for the rest of a reply that was cut off, if the policy
// wants it continued. What has been said by then is sent where no more can be had.
func (q *replyRequest) continues(ctx workflow.Context) bool {
	out := &q.out
	switch {
	case q.policy.OnLength != conversation.ContinueCutOff || !out.CutOff():
		return false
	case q.refused || q.whole != nil || out.End || len(out.Calls) > 0 || len(out.Message.Parts) == 0:
		return false
	case q.in.Part >= maxContinuations || out.Message.RecordedSize() > maxContinued:
		return false
	case q.in.Partial != nil && q.in.Partial.Size() >= out.Message.Size(): // nothing was added
		return false
	case q.usage.over(q.policy) != "" || historyIsFull(ctx):
		return false
	}
	partial := out.Message
	q.last = *out
	q.in.Partial, q.in.Part, q.in.Tools, q.in.Resume, q.in.Anew = &partial, q.in.Part+1, nil, nil, false
	return true
}

// endContinuing sends what a reply has so far when its continuation does not fit the model.
func (q *replyRequest) endContinuing() recovery {
	if q.in.Partial == nil {
		return none
	}
	q.whole = &q.last
	return resolved
}
