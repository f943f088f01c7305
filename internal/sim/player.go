package sim

import (
	"context"

	"github.com/parley-run/parley/conversation"
)

// A Player plays personas. Reply must be safe for concurrent use. An error becomes a
// 500, and nothing is stored: the worker is expected to retry.
type Player interface {
	// Reply is the persona's next message. An empty text, end, or a text that ends with
	// [EndMarker] finishes the conversation.
	Reply(ctx context.Context, turn PersonaTurn) (text string, end bool, err error)
}

// EndMarker at the end of a reply means that the persona leaves with it.
const EndMarker = "[END]"

// A PersonaTurn is the input of a [Player] for one message of the persona.
type PersonaTurn struct {
	Conversation conversation.Ref
	Persona      Persona
	// Scenario and Agent describe the persona's situation and the agent.
	Scenario string
	Agent    AgentProfile
	// Messages is the conversation so far. The persona is [conversation.RoleUser], the
	// agent [conversation.RoleAssistant]. Empty: the persona opens. If the last one is
	// the persona's own, it must continue.
	Messages []conversation.Message
	// MaxTurns is the number of messages after which the platform will end the
	// conversation.
	MaxTurns int
	// Seed is the conversation's own. Whatever depends on it and Messages alone is the
	// same in every run.
	Seed uint64
}
