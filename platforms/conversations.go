package platforms

import (
	"context"

	"github.com/parley-run/parley/conversation"
)

// Conversations is a platform whose conversations have turns, and which keeps their
// transcript.
type Conversations interface {
	Platform

	// Claim claims a waiting conversation for this worker. Kind Claimed means that
	// another worker has it or that it is not waiting any more. After any other error
	// whose Ambiguous is set the claim is ambiguous: it may belong to this worker.
	Claim(ctx context.Context, ref conversation.Ref) error

	// Context returns what the platform knows about the conversation apart from its
	// messages.
	Context(ctx context.Context, ref conversation.Ref) (conversation.Context, error)

	// Transcript reads the whole conversation as the platform holds it.
	Transcript(ctx context.Context, ref conversation.Ref) (Transcript, error)

	// Send sends the agent's messages and waits for the reply. No messages means that
	// the other side writes next. It is not idempotent: after an error whose Ambiguous is
	// set, read the Transcript before sending again. Kind Ended means that the
	// conversation was over before. Reply.Messages has only the other side's messages.
	Send(ctx context.Context, ref conversation.Ref, in Send) (Reply, error)

	// End closes the conversation from the agent's side. Ending one that has ended
	// already succeeds.
	End(ctx context.Context, ref conversation.Ref) error
}

// Send is the agent's side of one exchange.
type Send struct {
	Messages []conversation.Message
	// IdempotencyKey is the same for every attempt of this Send and different for any
	// other. Conversations that take such a key send it; a [Transport] needs it.
	IdempotencyKey string
}

// Reply is what came back for a Send.
type Reply struct {
	// Messages are the other side's: usually one. They can come together with
	// Ended, as last words.
	Messages []conversation.Message
	// Ended means that the other side has ended the conversation: End must not be
	// called.
	Ended bool
	// Echo are the agent's messages of this Send as the platform stored them. If they
	// differ from Send.Messages, something between us and the platform changed, doubled
	// or lost one. Nil: the platform does not return them.
	Echo []conversation.Message
}

// State is where a conversation stands on its platform.
type State string

// The states. Platforms translate their own; what they do not know becomes
// StateUnknown.
const (
	StateWaiting State = "waiting" // no worker has claimed it
	StateOpen    State = "open"    // claimed, going on
	StateEnded   State = "ended"
	StateUnknown State = "unknown"
)

// Transcript is a conversation as the platform holds it.
type Transcript struct {
	// Messages of both sides, oldest first.
	Messages []conversation.Message
	State    State
	// EndedBy and EndDetail say why, once State is StateEnded. Empty: not known.
	EndedBy   conversation.EndedBy
	EndDetail string
}
