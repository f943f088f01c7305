package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/workflow"
)

// approval is a tool call that waits for an operator's decision.
type approval struct {
	Approval
	decided bool
	deny    bool
	reason  string
}

// approvals are the tool calls of one round that wait, or were decided on.
type approvals []*approval

// waiting are those without a decision.
func (a approvals) waiting() []Approval {
	var out []Approval
	for _, one := range a {
		if !one.decided {
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
		if one.CallID == callID && !one.decided {
			return one, nil
		}
	}
	return nil, fmt.Errorf("no tool call %q waits for approval", callID)
}

func (r *run) mayApprove(_ workflow.Context, req ApproveRequest) error {
	if err := r.over(); err != nil {
		return err
	}
	_, err := r.approvals.find(req.CallID)
	return err
}

func (r *run) onApprove(_ workflow.Context, req ApproveRequest) (Status, error) {
	a, err := r.approvals.find(req.CallID)
	if err != nil {
		return Status{}, err
	}
	a.decided, a.deny, a.reason = true, req.Deny, req.Reason
	return r.status(), nil
}
