package conversation

import (
	"strings"
	"time"
)

// A Decision is what an operator has decided about a tool call.
type Decision struct {
	Choice Choice    `json:"choice"`
	At     time.Time `json:"at,omitzero"`
	// By is the operator. Empty: not known, or no decision was made.
	By string `json:"by,omitempty"`
	// Reason is the operator's.
	Reason string `json:"reason,omitempty"`
	// Digest is that of the tool and the arguments that were decided on.
	Digest string `json:"digest,omitempty"`
}

// A Choice is what was decided.
type Choice string

// The choices.
const (
	ChoiceApproved Choice = "approved"  // the call is made
	ChoiceRefused  Choice = "refused"   // it is not
	ChoiceTimedOut Choice = "timed_out" // no operator has decided in time
	// Of a call whose outcome is unknown: it is made again, or the agent is told so.
	ChoiceAgain    Choice = "call_again"
	ChoiceNotAgain Choice = "not_again"
)

// String says it in a few words: "approved by ada@desk: it is small".
func (d Decision) String() string {
	s := strings.ReplaceAll(string(d.Choice), "_", " ")
	if d.By != "" {
		s += " by " + d.By
	}
	if d.Reason != "" {
		s += ": " + d.Reason
	}
	return s
}
