package activities

import (
	"context"
	"fmt"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

// Claim takes a waiting conversation for us. A platform that only says "taken"
// does not say by whom: when an earlier attempt of ours may have been the one, it
// looks for a rival's messages for as long as a rival's first would take. None
// means that the claim is ours, since we say nothing before it is recorded.
func (c *Conversation) Claim(ctx context.Context, in ClaimInput) (ClaimResult, error) {
	tried := earlier(ctx, in.Tried)
	live := keepAlive(ctx, c.heartbeats, markOrNil(tried))
	defer live.stop()
	whole := ctx
	if _, err := c.tasks(in.Ref); err == nil {
		// A claim that is cut off may have landed all the same, and nothing frees the
		// task then. Its few requests are bound in time by themselves.
		whole = context.WithoutCancel(ctx)
	}
	work, stop := withDrain(whole, c.drain)
	defer stop()

	out, err := c.claim(work, in, tried, live)
	if err != nil && handedOver(work) {
		return ClaimResult{HandedOver: true, Tried: currentMark(live), Tries: failedTries(ctx)}, nil
	}
	if err != nil {
		return ClaimResult{}, c.failed(ctx, "claim", afterTries(err, tried), conversation.Usage{})
	}
	return out, nil
}

func (c *Conversation) claim(ctx context.Context, in ClaimInput, tried *Mark, live *liveness) (ClaimResult, error) {
	inst, err := c.instance(in.Ref)
	if err != nil {
		return ClaimResult{}, err
	}
	if tasks, ok := inst.Platform.(platforms.Tasks); ok {
		return c.take(ctx, tasks, in, tried, live)
	}
	first := tried
	if first == nil {
		first = &Mark{Time: time.Now()}
		if err := live.record(ctx, *first); err != nil {
			return ClaimResult{}, fmt.Errorf("record the claim before making it: %w", err)
		}
	}
	err = inst.Platform.Claim(ctx, in.Ref)
	switch {
	case err == nil:
		return ClaimResult{Claimed: true}, nil
	case !conversation.IsKind(err, conversation.Claimed):
		return ClaimResult{}, err
	case tried == nil:
		return ClaimResult{Detail: "another worker has claimed it"}, nil
	}
	return c.whoClaimed(ctx, inst, in.Ref, tried)
}

// whoClaimed tells our own earlier claim from a rival's.
func (c *Conversation) whoClaimed(ctx context.Context, inst platforms.Instance, ref conversation.Ref, tried *Mark) (ClaimResult, error) {
	deadline := tried.Time.Add(inst.Settle)
	for {
		transcript, err := inst.Platform.Transcript(ctx, ref)
		switch {
		case err != nil:
			return ClaimResult{}, err
		case transcript.State == platforms.StateEnded:
			return ClaimResult{Detail: "another worker has claimed and ended it"}, nil
		case len(transcript.Messages) > 0:
			return ClaimResult{Detail: "another worker has claimed it and talks"}, nil
		case !time.Now().Before(deadline):
			return ClaimResult{Claimed: true}, nil
		}
		if err := pause(ctx, min(lookAgain, time.Until(deadline))); err != nil {
			return ClaimResult{}, err
		}
	}
}

// lookAgain is how often a platform is asked whether a lost request has taken
// effect.
const lookAgain = time.Second

// pause waits, or returns ctx's cause.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func markOrNil(m *Mark) any {
	if m == nil {
		return nil
	}
	return *m
}

func currentMark(l *liveness) *Mark {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m, ok := l.detail.(Mark); ok {
		return &m
	}
	return nil
}
