package activities

import (
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/conversation/pressure"
)

// InboxSettings say how an inbox finds conversations, and how it has them run.
type InboxSettings struct {
	// AgentName is the agent's name in the configuration, shown to operators.
	AgentName string `json:"agent_name,omitempty"`
	// Policy goes into every conversation that is started.
	Policy conversation.Policy `json:"policy,omitzero"`
	// Interval is the time between two polls; jitter of a quarter is added.
	// Zero: 2 seconds.
	Interval time.Duration `json:"interval,omitempty"`
	// AdoptAfter starts conversations that another worker claimed, whose newest message
	// is older than this and that no workflow of ours runs. Zero: never.
	AdoptAfter time.Duration `json:"adopt_after,omitempty"`
	// PollFor is how long one Poll activity runs before it returns its counts. Zero:
	// 10 minutes.
	PollFor time.Duration `json:"poll_for,omitempty"`
	// Edition is that of the rules which the inbox follows: see workflows.Edition. Zero:
	// those of version 0.1.0.
	Edition int `json:"edition,omitempty"`
}

// PollInput asks for new conversations of one agent to be found and started,
// until something happens that the inbox must know.
type PollInput struct {
	Platform string        `json:"platform"`
	Project  string        `json:"project,omitempty"`
	Agent    string        `json:"agent,omitempty"`
	Settings InboxSettings `json:"settings,omitzero"`
	// Served are the simulations in the order they were last served.
	Served []string `json:"served,omitempty"`
	// Probe asks the platform once, starts nothing and returns.
	Probe bool `json:"probe,omitempty"`
}

// PollResult is what a Poll did.
type PollResult struct {
	PollStatus
	// Failure is why it has ended before its time: waiting does not help. Nil: it has
	// not.
	Failure    *PollFailure `json:"failure,omitempty"`
	HandedOver bool         `json:"handed_over,omitempty"`
	Served     []string     `json:"served,omitempty"`
}

// A PollFailure is why a Poll cannot go on.
type PollFailure struct {
	Kind   conversation.Kind `json:"kind"`
	Reason string            `json:"reason"`
	Remedy string            `json:"remedy,omitempty"`
}

// PollStatus is where a Poll stands. It is also its heartbeat, so that it can be
// read while the activity runs.
type PollStatus struct {
	// Open is how many conversations of the platform instance are open, over all
	// agents and workers; Queued, Parked and Stranded are as in CapacityCounts.
	Open     int `json:"open"`
	Queued   int `json:"queued,omitempty"`
	Parked   int `json:"parked,omitempty"`
	Stranded int `json:"stranded,omitempty"`
	// Limit is how many may be open there. Zero: no limit.
	Limit int `json:"limit,omitempty"`
	// Reduced is set while fewer may be open than Limit says.
	Reduced *pressure.Reduction `json:"reduced,omitempty"`
	// Waiting is how many were waiting at the last poll.
	Waiting int `json:"waiting"`
	// Started and Adopted count the workflows started by this Poll.
	Started int `json:"started"`
	Adopted int `json:"adopted,omitempty"`
	// LastPoll is when the platform last answered; LastError what went wrong
	// since, if anything.
	LastPoll  time.Time `json:"last_poll,omitzero"`
	LastError string    `json:"last_error,omitempty"`
	Worker    string    `json:"worker,omitempty"`
	// Skipped are the newest of what cannot be started, and SkippedCount is how many
	// there are.
	Skipped      []Skipped `json:"skipped,omitempty"`
	SkippedCount int       `json:"skipped_count,omitempty"`
	// Advice is what the platform sees that is amiss without being a failure: see
	// platforms.Advised.
	Advice []string `json:"advice,omitempty"`
	// Orphans is how many claimed conversations no workflow runs,
	// where the inbox does not adopt them. They were counted at OrphansAt.
	Orphans   int       `json:"orphans,omitempty"`
	OrphansAt time.Time `json:"orphans_at,omitzero"`
}

// Skipped is a conversation or a simulation that an inbox leaves out.
type Skipped struct {
	// ID is the platform's id of the conversation. Empty: all of the simulation.
	ID         string            `json:"id,omitempty"`
	Simulation string            `json:"simulation,omitempty"`
	Kind       conversation.Kind `json:"kind"`
	Reason     string            `json:"reason"`
	Since      time.Time         `json:"since"`
}
