package workflows

import (
	"encoding/json"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/conversation/spending"
)

// Carried is the state of a Conversation that goes along when it continues as
// new. Fields are only ever added.
type Carried struct {
	Context conversation.Context `json:"context"`
	Started time.Time            `json:"started"`
	Turn    int                  `json:"turn"`
	Count   int                  `json:"count"` // messages on the platform
	// Internal counts the messages between the agent and its tools.
	Internal int                    `json:"internal,omitempty"`
	Messages []conversation.Message `json:"messages,omitempty"`
	// Digest is that of the messages the executor has seen.
	Digest string `json:"digest,omitempty"`
	// New is how many of Messages, at the end, the executor has not seen.
	New      int                `json:"new,omitempty"`
	State    json.RawMessage    `json:"state,omitempty"`
	Executor string             `json:"executor,omitempty"`
	Model    string             `json:"model,omitempty"`
	Usage    conversation.Usage `json:"usage,omitzero"`
	// Allowed was spent before somebody resumed in spite of the budget.
	Allowed  spending.Amount  `json:"allowed,omitzero"`
	Paused   *Attention       `json:"paused,omitempty"`
	Takeover *TakeoverRequest `json:"takeover,omitempty"`
	End      *EndRequest      `json:"end,omitempty"`
	// Answered are the newest messages of a direct conversation that have been
	// answered.
	Answered []answer `json:"answered,omitempty"`
	// Run is the run that the state was built in. It is not the run before this one where
	// that was reset and did nothing since but continue as new.
	Run string `json:"run,omitempty"`
	// Events is how many events there have been.
	Events int `json:"events,omitempty"`
	// Spoken means that the platform has taken messages of this workflow.
	Spoken bool `json:"spoken,omitempty"`
	// Slowest is the longest that an answer of the other side has taken, Lag how slowly
	// Temporal acknowledges heartbeats.
	Slowest time.Duration `json:"slowest_ns,omitempty"`
	Lag     time.Duration `json:"lag_ns,omitempty"`
}

// CarriedInbox is the state of an Inbox that goes along when it continues as new.
type CarriedInbox struct {
	Started   int        `json:"started,omitempty"`
	Adopted   int        `json:"adopted,omitempty"`
	Served    []string   `json:"served,omitempty"`
	State     InboxState `json:"state,omitempty"`
	Attention *Attention `json:"attention,omitempty"`
	// Outages, and Cleared, those that are over since a short time.
	Outages []Outage `json:"outages,omitempty"`
	Cleared []Outage `json:"cleared,omitempty"`
}
