package onerun

import (
	"cmp"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/internal/rest"
)

// state translates a conversation's status. A failed conversation, which a stock
// OneRun never has, is over.
func state(status string) platforms.State {
	switch status {
	case ConversationPending, ConversationQueued:
		return platforms.StateWaiting
	case ConversationInProgress:
		return platforms.StateOpen
	case ConversationEnded, ConversationFailed:
		return platforms.StateEnded
	default:
		return platforms.StateUnknown
	}
}

// ending says who ended the conversation. A reason this package does not know
// shows in the detail only.
func ending(cv Conversation) (by conversation.EndedBy, detail string) {
	switch cv.EndReason {
	case EndPersonaDecided:
		by = conversation.EndedByPersona
	case EndMaxTurnsReached:
		by = conversation.EndedByTurnLimit
	case EndAgentDecided:
		by = conversation.EndedByAgent
	}
	detail = cv.EndReason
	if detail == "" && cv.Status != ConversationEnded {
		detail = cv.Status
	}
	return by, rest.Clip(detail)
}

// role translates the role of an item.
func role(r string) conversation.Role {
	return conversation.Role(cmp.Or(rest.Clip(r), string(conversation.RoleUser)))
}

// parts translates the blocks of a message. Those of an unknown type are kept as
// data.
func parts(blocks []ContentBlock) []conversation.Part {
	var out []conversation.Part
	for _, b := range blocks {
		if b.Type == "text" || b.Type == "" && b.Text != "" {
			out = append(out, conversation.Part{Type: conversation.PartText, Text: b.Text})
		} else if len(b.Raw) > 0 {
			out = append(out, conversation.Part{Type: conversation.PartData, Data: b.Raw})
		}
	}
	return out
}
