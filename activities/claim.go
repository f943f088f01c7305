package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/lease"
	"github.com/parley-run/parley/internal/tracing"
	"github.com/parley-run/parley/platforms"
)

// Claim claims a waiting conversation or task for this workflow. A platform that refuses a
// claim does not say who has made the one before. If an earlier request of this workflow
// is ambiguous, Claim reads the transcript for as long as another worker's first message
// may take. No message means that the claim is this workflow's, which sends nothing before
// its claim is recorded.
func (c *Conversation) Claim(ctx context.Context, in ClaimInput) (ClaimResult, error) {
	k := &claiming{in: in, mark: sent(earlier(ctx, in.Tried))}
	k.attempt = c.begin(ctx, "claim", in.Ref, markOrNil(k.mark))
	defer k.end()
	tried := k.mark != nil
	out, err := k.claim(k.work)
	switch {
	case err != nil && k.handsOver(), errors.Is(err, errNeedsTime):
		k.traceEnd(tracing.ResultHandedOver)
		return ClaimResult{HandedOver: true, Tried: k.mark, Failed: failedAttempts(ctx)}, nil
	case err != nil:
		return ClaimResult{}, k.fail(stillAmbiguous(err, tried), ErrorDetails{Mark: k.mark})
	}
	out.Eager = k.live.eager
	if out.Claimed && in.Context != nil {
		out.Context = k.readContext(*in.Context)
	}
	return out, nil
}

// contextTimeout is how long a claim may be held up by the context that goes along with it:
// a claim whose worker is lost before its result is recorded has to be found out about.
const contextTimeout = 5 * time.Second

// readContext is what the platform knows of what has been claimed. Nil: it cannot be read at
// once, and is left to an activity of its own, with retries.
func (k *claiming) readContext(in ContextInput) *ContextResult {
	ctx, cancel := context.WithTimeout(k.work, min(contextTimeout, max(timeLeft(k.info), 0)))
	defer cancel()
	out, err := k.knows(ctx, in)
	if err != nil {
		return nil
	}
	return &out
}

// outlast has the attempt go on when the workflow cancels it.
func (a *attempt) outlast() {
	a.stopDrain()
	a.work, a.stopDrain = withDrain(lease.With(context.WithoutCancel(a.sdk), a.live), a.drain)
}

// claiming is one attempt at a claim.
type claiming struct {
	*attempt
	in ClaimInput
	// mark is what is known of the requests so far. Nil: none has gone out.
	mark *Mark
}

func (k *claiming) claim(ctx context.Context) (ClaimResult, error) {
	if err := checkRun(ctx, k.in.Run); err != nil {
		return ClaimResult{}, err
	}
	p, err := k.platform(k.in.Ref)
	if err != nil {
		return ClaimResult{}, err
	}
	return p.claim(ctx, k)
}

func (s conversationShape) claim(ctx context.Context, k *claiming) (ClaimResult, error) {
	before := k.mark
	err := k.request(ctx, func() error { return s.Claim(ctx, k.in.Ref) })
	switch {
	case err == nil:
		return ClaimResult{Claimed: true}, nil
	case !conversation.IsKind(err, conversation.Claimed):
		return ClaimResult{}, err
	case before == nil:
		k.mark = nil
		return ClaimResult{Detail: k.refused(ctx, s)}, nil
	}
	k.unsent(before) // it was refused: the earlier ones are ambiguous
	detail, ours, err := k.reconcileClaim(ctx, s, k.in.Ref, before)
	if err != nil {
		return ClaimResult{}, err
	}
	return ClaimResult{Claimed: ours, Detail: detail}, nil
}

// request makes one request of a claim and records it.
func (k *claiming) request(ctx context.Context, do func() error) error {
	before, mark := k.mark, Mark{Time: k.clock.now(), Sends: 1}
	if before != nil {
		mark.Sends += before.Sends
	}
	k.mark = &mark
	err := k.record(ctx, mark, fmt.Sprintf("claim of %s", k.in.Ref))
	if err == nil {
		err = k.act(ctx, "claim")
	}
	if err != nil {
		k.unsent(before)
		return err
	}
	err = do()
	switch e := asError(err); {
	case err == nil, conversation.IsKind(err, conversation.Claimed):
	case e != nil && !e.Ambiguous:
		k.unsent(before)
	default:
		mark.Cut, mark.Answered = k.clock.now(), e != nil && e.Answered
		k.live.leave(mark)
	}
	return err
}

func (k *claiming) unsent(before *Mark) {
	k.mark = before
	if before == nil {
		k.live.leave(Mark{})
		return
	}
	k.live.leave(*before)
}

// refused is why a first claim may have been refused.
func (k *claiming) refused(ctx context.Context, on conversationShape) string {
	const taken = "another worker has claimed it"
	transcript, err := on.Transcript(ctx, k.in.Ref)
	if err == nil && transcript.State == platforms.StateOpen && len(transcript.Messages) == 0 {
		return taken + ", or a gateway has delivered this worker's claim twice: it is in progress without messages; " +
			"if it stays so, adopt it or end it on the platform"
	}
	return taken
}

// reconcileClaim finds out whether an ambiguous claim is this workflow's or another
// worker's. Detail is why it is not ours.
func (a *attempt) reconcileClaim(
	ctx context.Context, on conversationShape, ref conversation.Ref, tried *Mark,
) (detail string, ours bool, err error) {
	running := tried.Time
	if tried.Cut.After(running) {
		running = tried.Cut
	}
	for {
		transcript, err := on.Transcript(ctx, ref)
		left := a.clock.until(running, on.Settle)
		over := left <= 0 || tried.Answered && transcript.State == platforms.StateWaiting
		switch {
		case err != nil:
			return "", false, err
		case transcript.State == platforms.StateEnded:
			return "another worker has claimed and ended it", false, nil
		case len(transcript.Messages) > 0:
			return "another worker has claimed it and sends messages", false, nil
		case over && transcript.State == platforms.StateWaiting:
			return "it has not been claimed", false, nil
		case over:
			return "", true, nil
		case timeLeft(a.info) <= 0:
			return "", false, errNeedsTime
		}
		if err := pause(ctx, min(firstRead, left, max(timeLeft(a.info), 0))); err != nil {
			return "", false, err
		}
	}
}

// stillAmbiguous is the error of a claim that failed after another attempt, which is still
// ambiguous.
func stillAmbiguous(err error, tried bool) error {
	e := asError(err)
	if e == nil || !tried {
		return err
	}
	again := *e
	again.Ambiguous = true
	return &again
}

// FindClaimInput asks whether an ambiguous claim belongs to this run.
type FindClaimInput struct {
	Ref conversation.Ref `json:"ref"`
	// Adopt is as in the claim.
	Adopt bool `json:"adopt,omitempty"`
	// Tried is what is known of the claim's request.
	Tried *Mark `json:"tried,omitempty"`
	// Run is the run that made the claim: a workflow that was reset asks about the claim
	// of the run that it was reset from. Empty: the run that asks.
	Run string `json:"run,omitempty"`
}

// FindClaimResult says whether the claim belongs to this run.
type FindClaimResult struct {
	// Ours means that the conversation or the task is claimed for this run, and has to
	// be ended or acknowledged.
	Ours bool `json:"ours,omitempty"`
	// Receipt is the claim's receipt. Nil: it is not ours, or it is a conversation.
	Receipt    *platforms.Receipt `json:"receipt,omitempty"`
	HandedOver bool               `json:"handed_over,omitempty"`
	Tried      *Mark              `json:"tried,omitempty"`
	// Failed, with HandedOver, is how many attempts at this activity had failed. The
	// hand-over itself is none.
	Failed int `json:"failed,omitempty"`
	// RunID is the run that has asked.
	RunID string `json:"run_id,omitempty"`
}

// FindClaim reports, for a run that is not to go on, whether an ambiguous claim belongs to
// it. No platform frees by itself what was claimed. A conversation that is in progress
// without messages once the claim's request is over is taken for this run's.
func (c *Conversation) FindClaim(ctx context.Context, in FindClaimInput) (FindClaimResult, error) {
	a := c.begin(ctx, "find claim", in.Ref, markOrNil(in.Tried))
	defer a.end()
	if in.Tried = sent(earlier(ctx, in.Tried)); in.Tried == nil {
		in.Tried = &Mark{Time: a.clock.now()}
		a.live.note(ctx, *in.Tried)
	}
	out, err := a.findClaim(a.work, in)
	switch {
	case err != nil && a.handsOver(), errors.Is(err, errNeedsTime):
		a.traceEnd(tracing.ResultHandedOver)
		return FindClaimResult{HandedOver: true, Tried: in.Tried, Failed: failedAttempts(ctx)}, nil
	case err != nil:
		return FindClaimResult{}, a.fail(patient(err), ErrorDetails{Mark: in.Tried})
	}
	out.RunID = a.info.WorkflowExecution.RunID
	return out, nil
}

func (a *attempt) findClaim(ctx context.Context, in FindClaimInput) (FindClaimResult, error) {
	p, err := a.platform(in.Ref)
	if err != nil {
		return FindClaimResult{}, err
	}
	return p.findClaim(ctx, a, in)
}

func (s conversationShape) findClaim(ctx context.Context, a *attempt, in FindClaimInput) (FindClaimResult, error) {
	_, ours, err := a.reconcileClaim(ctx, s, in.Ref, in.Tried)
	return FindClaimResult{Ours: ours}, err
}
