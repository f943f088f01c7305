package workflows

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
)

// approval is a tool call that waits for an operator's decision.
type approval struct {
	Approval
	decision *conversation.Decision // nil: it waits
}

// approvalDigest names what an operator is asked: the tool, as it was offered, and the
// arguments. It differs for each call of a conversation, which models may give one id, and
// for each question about it: asked is how many there were before, and lost whether the
// call may have been made.
func approvalDigest(in activities.CallToolInput, asked int, lost bool) string {
	sum, call := sha256.New(), in.Call
	for _, part := range []string{
		in.Run, fmt.Sprint(in.Reconciled, in.Turn, in.Index), call.CallID, call.Set, call.Name, call.Tool, call.Digest,
		string(call.Arguments), fmt.Sprint(asked, lost),
	} {
		_, _ = fmt.Fprintf(sum, "%d %s", len(part), part)
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

// approvals are the tool calls of one round that wait, or were decided on.
type approvals []*approval

// waiting are those without a decision.
func (a approvals) waiting() []Approval {
	var out []Approval
	for _, one := range a {
		if one.decision == nil {
			out = append(out, one.Approval)
		}
	}
	return out
}

// find returns the call that waits under the id. Empty: the only one that waits.
func (a approvals) find(callID string) (*approval, error) {
	waiting := a.waiting()
	switch {
	case len(waiting) == 0:
		return nil, errors.New("no tool call waits for approval")
	case callID == "" && len(waiting) > 1:
		return nil, fmt.Errorf("%d tool calls wait for approval: name one", len(waiting))
	case callID == "":
		callID = waiting[0].CallID
	}
	for _, one := range a {
		if one.CallID == callID && one.decision == nil {
			return one, nil
		}
	}
	return nil, fmt.Errorf("no tool call %q waits for approval", callID)
}

func (r *run) mayApprove(_ workflow.Context, req ApproveRequest) error {
	if err := r.over(); err != nil {
		return err
	}
	if err := mayDecide(req.By, req.Reason); err != nil {
		return err
	}
	a, err := r.approvals.find(req.CallID)
	if err != nil {
		return err
	}
	return a.matches(req)
}

// matches refuses a decision on something else than what waits.
func (a *approval) matches(req ApproveRequest) error {
	switch {
	case req.Digest == "" && !req.Deny:
		return fmt.Errorf("the approval does not say what it is for: give the digest of the call that was seen; what waits is %s with digest %s", a.Tool, a.Digest)
	case req.Digest != "" && req.Digest != a.Digest:
		return fmt.Errorf("the call that waits is not the one that was seen: %s waits with digest %s, the decision is for digest %s; look at it again", a.Tool, a.Digest, req.Digest)
	}
	return nil
}

func (r *run) onApprove(ctx workflow.Context, req ApproveRequest) (Status, error) {
	a, err := r.approvals.find(req.CallID)
	if err != nil {
		return Status{}, err
	}
	a.decision = &conversation.Decision{
		Choice: a.choice(req.Deny), At: workflow.Now(ctx).UTC(), By: req.By, Reason: req.Reason, Digest: a.Digest,
	}
	if req.Digest != "" { // requests of before have none
		r.notify(ctx, conversation.EventDecided, a.Tool+": "+a.decision.String())
	}
	return r.status(), nil
}

func (a *approval) choice(deny bool) conversation.Choice {
	switch {
	case a.Lost != "" && deny:
		return conversation.ChoiceNotAgain
	case a.Lost != "":
		return conversation.ChoiceAgain
	case deny:
		return conversation.ChoiceRefused
	}
	return conversation.ChoiceApproved
}
