package workflows

import (
	"github.com/parley-run/parley/activities"
)

// InboxInput starts an Inbox.
type InboxInput struct {
	Platform string        `json:"platform"`
	Project  string        `json:"project,omitempty"`
	Agent    string        `json:"agent,omitempty"`
	Settings InboxSettings `json:"settings,omitzero"`
	Carried  *CarriedInbox `json:"carried,omitempty"`
}

// InboxSettings can be changed while an inbox runs, by SignalConfigure. They
// apply to conversations that are found later.
type InboxSettings = activities.InboxSettings

// InboxState says what an inbox is doing. It is also its search attribute
// ParleyStatus.
type InboxState string

// The states of an inbox.
const (
	InboxPolling        InboxState = "polling"
	InboxPaused         InboxState = "paused"
	InboxNeedsAttention InboxState = "needs_attention"
	InboxStopped        InboxState = "stopped"
)

// InboxStatus is the answer to QueryStatus and to every update of an inbox. Its
// counts are as of the last Poll that returned; the heartbeat of the running one,
// an activities.PollStatus, is newer.
type InboxStatus struct {
	Platform  string                `json:"platform"`
	Project   string                `json:"project,omitempty"`
	Agent     string                `json:"agent,omitempty"`
	State     InboxState            `json:"state"`
	Settings  InboxSettings         `json:"settings"`
	Started   int                   `json:"started"`
	Adopted   int                   `json:"adopted,omitempty"`
	Poll      activities.PollStatus `json:"poll,omitzero"`
	Attention *Attention            `json:"attention,omitempty"`
	// Outages are failures that the inbox's conversations met and others would meet too.
	// Those that keep the inbox from claiming are also its Attention.
	Outages []Outage `json:"outages,omitempty"`
}
