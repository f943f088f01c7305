package activities

import (
	"context"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

// conversationShape is a platform that keeps the transcript. Its claim, findClaim and
// exchange are in claim.go and exchange.go.
type conversationShape struct {
	platforms.Instance
	platforms.Conversations
}

func (s conversationShape) context(
	ctx context.Context, ref conversation.Ref,
) (about conversation.Context, transcript platforms.Transcript, err error) {
	if about, err = s.Context(ctx, ref); err != nil {
		return about, transcript, err
	}
	transcript, err = s.Transcript(ctx, ref)
	return about, transcript, err
}

func (s conversationShape) transcript(ctx context.Context, ref conversation.Ref) (platforms.Transcript, error) {
	return s.Transcript(ctx, ref)
}

func (s conversationShape) end(ctx context.Context, a *attempt, ref conversation.Ref) error {
	if err := a.act(ctx, "end"); err != nil {
		return err
	}
	if err := s.End(ctx, ref); err != nil && !conversation.IsKind(err, conversation.Ended) {
		return err
	}
	return nil
}

func (s conversationShape) tasks(ref conversation.Ref) (platforms.Tasks, error) {
	return nil, misfit(ref, "it has conversations, not tasks")
}
