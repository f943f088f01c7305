package sim

import (
	"context"

	"github.com/parley-run/parley/conversation"
)

// A Player speaks for personas. Reply must be safe for concurrent use. An error
// becomes a 500, and nothing is stored: the worker is expected to try again.
type Player interface {
	// Reply is what the persona says next. An empty text, end, or a text that
	// ends with [EndMarker] finishes the conversation.
	Reply(ctx context.Context, turn PersonaTurn) (text string, end bool, err error)
}

// EndMarker at the end of a reply means that the persona leaves with it.
const EndMarker = "[END]"

// A PersonaTurn is what a [Player] knows when the persona is to speak.
type PersonaTurn struct {
	Conversation conversation.Ref
	Persona      Persona
	// Scenario and Agent say what the persona is here for and whom it meets.
	Scenario string
	Agent    AgentProfile
	// Messages is the conversation so far. The persona is [conversation.RoleUser],
	// the agent [conversation.RoleAssistant]. Empty: the persona opens. If the
	// last one is the persona's own, it has been asked to go on.
	Messages []conversation.Message
	// MaxTurns is the number of messages after which the platform will end the
	// conversation.
	MaxTurns int
	// Seed is the conversation's own. What is drawn from it and Messages alone is
	// the same in every run.
	Seed uint64
}
