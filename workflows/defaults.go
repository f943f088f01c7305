package workflows

import (
	"github.com/parley-run/parley/conversation"
)

// WithDefaults fills what the input leaves open. Everything that starts a conversation
// calls it, so that a new default applies to new conversations, and not to those that
// are open; the workflow does so too, for an input that did not pass here. Task says
// that the conversation is the run of a task.
func (in ConversationInput) WithDefaults(task bool) ConversationInput {
	if in.Policy.OnExhausted == "" && task {
		in.Policy.OnExhausted = conversation.EndConversation // who scheduled it wants to hear of it
	}
	if in.Policy.CarryBytes == 0 && in.Direct != nil {
		in.Policy.CarryBytes = directCarryBytes
	}
	in.Policy = in.Policy.WithDefaults()
	return in
}

// FirstState is what the conversation does first.
func (in ConversationInput) FirstState() State {
	if in.CountedIn != nil && !in.CountedIn.Holds {
		return StateWaiting
	}
	return StateClaiming
}
