package platforms

import (
	"context"

	"github.com/parley-run/parley/conversation"
)

// Transport is a platform that only carries messages to the other side: a caller starts
// the conversation, the workflow keeps it, and each Send is answered. There is nothing to
// claim, to read back or to end.
type Transport interface {
	Platform

	// Send sends the agent's messages to the other side that the ref names and returns
	// its reply: at least one message, or Ended. No messages means that the other side
	// speaks. A Send with the key of an earlier one is the same Send: the other side
	// answers it once, and gives the same reply again. So it may be repeated after any
	// error.
	Send(ctx context.Context, ref conversation.Ref, in Send) (Reply, error)
}
