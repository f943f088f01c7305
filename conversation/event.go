package conversation

import "time"

// An EventType says what has happened to a conversation.
type EventType string

// What listeners are told, in the order in which it happens.
const (
	EventStarted        EventType = "started"
	EventReplied        EventType = "replied" // the agent has; Turn says how often
	EventNeedsApproval  EventType = "needs_approval"
	EventNeedsAttention EventType = "needs_attention"
	EventEnded          EventType = "ended" // Outcome says how
)

// An Event is something that has happened to a conversation. It holds no messages.
type Event struct {
	Type EventType `json:"type"`
	// Number counts the conversation's events from 1: with Conversation and Run it
	// names the event, which may be told more than once.
	Number int `json:"number"`
	// Run is the workflow's run. A conversation that is begun anew, or was reset,
	// counts its events in a run of its own.
	Run          string    `json:"run,omitempty"`
	Conversation Ref       `json:"conversation"`
	Time         time.Time `json:"time"`
	Turn         int       `json:"turn"`
	// Reason says why it needs somebody.
	Reason  string   `json:"reason,omitempty"`
	Outcome *Outcome `json:"outcome,omitempty"`
}
