// Package direct stands for the platform of conversations that have none: whoever
// sends a conversation's workflow messages is the other side. Nobody is asked for
// anything, so all it does is to be there.
package direct

import (
	"context"
	"errors"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

// Name is what the refs of direct conversations say for their platform.
const Name = "direct"

// A Platform has no conversations of its own. The zero value is ready to use.
type Platform struct{}

var _ platforms.Platform = Platform{}

func none(op string) error {
	return &conversation.Error{
		Kind: conversation.Invalid, Op: "direct: " + op,
		Err: errors.New("a direct conversation is held by its workflow, not by a platform"),
	}
}

// Claim is not called: a direct conversation begins with its first message.
func (Platform) Claim(context.Context, conversation.Ref) error { return none("claim") }

// Context is not called: whoever begins the conversation knows it.
func (Platform) Context(context.Context, conversation.Ref) (conversation.Context, error) {
	return conversation.Context{}, none("context")
}

// Transcript is not called: the workflow has it.
func (Platform) Transcript(context.Context, conversation.Ref) (platforms.Transcript, error) {
	return platforms.Transcript{}, none("transcript")
}

// Send is not called: replies go to whoever waits for them.
func (Platform) Send(context.Context, conversation.Ref, platforms.Send) (platforms.Reply, error) {
	return platforms.Reply{}, none("send")
}

// End has nobody to tell.
func (Platform) End(context.Context, conversation.Ref) error { return nil }

// Check finds nothing wrong: nothing is needed.
func (Platform) Check(context.Context, string, string) error { return nil }
