package activities

import (
	"context"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

// taskShape is a platform of tasks: the reply goes to Report.
type taskShape struct{ platforms.Tasks }

func (s taskShape) context(ctx context.Context, ref conversation.Ref) (conversation.Context, platforms.Transcript, error) {
	about, err := s.Context(ctx, ref)
	transcript := platforms.Transcript{State: platforms.StateOpen}
	if e := asError(err); e != nil && e.Kind == conversation.Ended && about.Task != nil {
		transcript.State, transcript.EndedBy = platforms.StateEnded, conversation.EndedByPlatform
		if e.Err != nil {
			transcript.EndDetail = e.Err.Error()
		}
		err = nil
	}
	switch {
	case err != nil:
		return conversation.Context{}, platforms.Transcript{}, err
	case about.Task == nil:
		return conversation.Context{}, platforms.Transcript{}, misfit(ref, "its context does not say what is to be done")
	}
	transcript.Messages = []conversation.Message{about.Task.Message()}
	return about, transcript, nil
}

// transcript is the task's own message: the rest is known to the workflow alone.
func (s taskShape) transcript(ctx context.Context, ref conversation.Ref) (platforms.Transcript, error) {
	_, transcript, err := s.context(ctx, ref)
	return transcript, err
}

// claim claims the task. The platform finds out whether an earlier attempt of ours
// has it.
func (s taskShape) claim(_ context.Context, k *claiming) (ClaimResult, error) {
	// A claim that is cut off may have landed all the same. Its few requests are
	// bound in time by themselves.
	k.outlast()
	ctx := k.work
	claim := platforms.Claim{Worker: claimant(ctx, ""), Tried: k.mark != nil, Adopt: k.in.Adopt}
	var receipt platforms.Receipt
	err := k.request(ctx, func() (err error) {
		receipt, err = s.Claim(ctx, k.in.Ref, claim)
		return err
	})
	switch {
	case conversation.IsKind(err, conversation.Claimed):
		return ClaimResult{Detail: err.Error()}, nil
	case err != nil:
		return ClaimResult{}, err
	}
	return ClaimResult{Claimed: true, Receipt: &receipt}, nil
}

func (s taskShape) findClaim(ctx context.Context, _ *attempt, in FindClaimInput) (FindClaimResult, error) {
	receipt, err := s.FindClaim(ctx, in.Ref, platforms.Claim{Worker: claimant(ctx, in.Run), Tried: true, Adopt: in.Adopt})
	switch {
	case conversation.IsKind(err, conversation.Claimed):
		return FindClaimResult{}, nil
	case err != nil:
		return FindClaimResult{}, err
	}
	return FindClaimResult{Ours: true, Receipt: &receipt}, nil
}

func (s taskShape) exchange(_ context.Context, e *exchanging) (ExchangeResult, error) {
	return ExchangeResult{}, misfit(e.in.Ref, "it has tasks, which have one turn: report the result")
}

func (s taskShape) end(_ context.Context, _ *attempt, ref conversation.Ref) error {
	return misfit(ref, "it has tasks: report how one has ended")
}

func (s taskShape) tasks(conversation.Ref) (platforms.Tasks, error) { return s.Tasks, nil }
