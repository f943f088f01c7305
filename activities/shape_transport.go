package activities

import (
	"context"
	"errors"
	"fmt"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

// transportShape is a platform that answers each key once: the workflow keeps the
// conversation.
type transportShape struct{ platforms.Transport }

// context is what the ref says: what more there is to know, the workflow was started with.
func (s transportShape) context(_ context.Context, ref conversation.Ref) (conversation.Context, platforms.Transcript, error) {
	about := conversation.Context{Persona: conversation.Persona{ID: ref.Simulation, Summary: ref.Simulation}, AgentName: ref.Agent}
	return about, platforms.Transcript{State: platforms.StateUnknown}, nil
}

func (s transportShape) transcript(context.Context, conversation.Ref) (platforms.Transcript, error) {
	return platforms.Transcript{State: platforms.StateUnknown}, nil
}

// claim has nothing to do: there is no other claimant.
func (s transportShape) claim(context.Context, *claiming) (ClaimResult, error) {
	return ClaimResult{Claimed: true}, nil
}

func (s transportShape) findClaim(context.Context, *attempt, FindClaimInput) (FindClaimResult, error) {
	return FindClaimResult{Ours: true}, nil
}

// exchange sends as often as it is asked to: the other side answers each key once.
func (s transportShape) exchange(ctx context.Context, e *exchanging) (ExchangeResult, error) {
	in := e.in
	if err := e.act(ctx, "exchange"); err != nil {
		return ExchangeResult{}, err
	}
	reply, err := s.Send(ctx, in.Ref, platforms.Send{
		Messages: outgoing(in.Messages), IdempotencyKey: exchangeKey(e.info.WorkflowExecution.ID, in, len(in.Messages)),
	})
	switch {
	case err != nil:
		return ExchangeResult{}, err
	case !reply.Ended && len(reply.Messages) == 0:
		return ExchangeResult{}, &conversation.Error{
			Kind: conversation.Unavailable, Op: fmt.Sprintf("exchange with %s", in.Ref), Err: errors.New("the other side answered with nothing"),
		}
	}
	out := ExchangeResult{
		Messages: reply.Messages, Count: in.Before + len(in.Messages) + len(reply.Messages), Taken: len(in.Messages), Ended: reply.Ended,
	}
	if out.Ended {
		out.EndedBy = conversation.EndedByPersona
	}
	return out, nil
}

// end has nothing to do: the other side holds nothing open.
func (s transportShape) end(context.Context, *attempt, conversation.Ref) error { return nil }

func (s transportShape) tasks(ref conversation.Ref) (platforms.Tasks, error) {
	return nil, misfit(ref, "it has conversations, not tasks")
}
