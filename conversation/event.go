package conversation

import "time"

// An EventType names a change of a conversation that listeners are notified of.
type EventType string

// The events, in the order in which they happen.
const (
	EventStarted        EventType = "started"
	EventReplied        EventType = "replied" // the agent sent a reply; Turn counts them
	EventNeedsApproval  EventType = "needs_approval"
	EventDecided        EventType = "decided" // an operator, on a tool call; Reason says what, and who
	EventNeedsAttention EventType = "needs_attention"
	EventEnded          EventType = "ended" // Outcome says how
)

// An Event notifies listeners of a change of a conversation. It holds no messages.
type Event struct {
	Type EventType `json:"type"`
	// Number counts the conversation's events from 1. Conversation, Run and Number
	// identify the event, which may be delivered more than once.
	Number int `json:"number"`
	// Run is the workflow's run. After a reset, or when the conversation starts anew, a
	// new run counts its events from 1 again.
	Run          string    `json:"run,omitempty"`
	Conversation Ref       `json:"conversation"`
	Time         time.Time `json:"time"`
	Turn         int       `json:"turn"`
	// Reason says why the conversation needs approval or attention.
	Reason  string   `json:"reason,omitempty"`
	Outcome *Outcome `json:"outcome,omitempty"`
}
