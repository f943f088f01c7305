package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

// Exchange sends the agent's messages to the platform, once, and returns what
// came back. Before anything is sent, the server has a mark that says so. An
// attempt that finds a mark reads the platform's transcript first: if it grew by
// our messages, the answer is taken from there; if it has not grown and cannot
// grow any more, they are sent again.
func (c *Conversation) Exchange(ctx context.Context, in ExchangeInput) (ExchangeResult, error) {
	tried := earlier(ctx, in.Tried)
	live := keepAlive(ctx, c.heartbeats, markOrNil(tried))
	defer live.stop()
	work, stop := withDrain(ctx, c.drain)
	defer stop()

	begin := time.Now()
	out, err := c.exchange(work, in, tried, live)
	if err != nil && handedOver(work) {
		return ExchangeResult{HandedOver: true, Tried: currentMark(live), Tries: failedTries(ctx)}, nil
	}
	if err != nil {
		return ExchangeResult{}, c.failed(ctx, "exchange", err, conversation.Usage{})
	}
	for i := range out.Messages {
		if out.Messages[i].Time.IsZero() {
			out.Messages[i].Time = time.Now().UTC()
		}
	}
	c.metrics.exchanged(ctx, time.Since(begin))
	return out, nil
}

func (c *Conversation) exchange(ctx context.Context, in ExchangeInput, tried *Mark, live *liveness) (ExchangeResult, error) {
	inst, err := c.instance(in.Ref)
	if err != nil {
		return ExchangeResult{}, err
	}
	if inst.Keyed {
		return c.exchangeKeyed(ctx, inst, in)
	}
	send := in.Messages
	if tried != nil {
		seen, err := c.settle(ctx, inst, in, tried)
		if err != nil {
			return ExchangeResult{}, err
		}
		if seen.done {
			c.metrics.recovered(ctx)
			return seen.result, nil
		}
		if seen.taken {
			// Ours is there, but nobody answered it: ask the other side to speak.
			send = nil
		}
		c.metrics.resent(ctx)
	}
	if err := live.record(ctx, Mark{Time: time.Now()}); err != nil {
		return ExchangeResult{}, fmt.Errorf("record the message before sending it: %w", err)
	}
	reply, err := inst.Platform.Send(ctx, in.Ref, platforms.Send{
		Messages:       send,
		IdempotencyKey: exchangeKey(activity.GetInfo(ctx).WorkflowExecution.ID, in, len(send)),
	})
	switch {
	case conversation.IsKind(err, conversation.Ended):
		return c.afterEnd(ctx, inst, in)
	case err != nil:
		if answered(err) {
			live.note(ctx, Mark{Time: time.Now(), Answered: true})
		}
		return ExchangeResult{}, err
	case !reply.Ended && len(reply.Messages) > 0:
		return ExchangeResult{
			Messages: reply.Messages,
			Count:    in.Before + len(in.Messages) + len(reply.Messages),
			Taken:    len(in.Messages),
		}, nil
	}
	// Why it ended is only to be had by reading again. Should that fail, the next
	// attempt finds everything in the transcript.
	live.note(ctx, Mark{Time: time.Now(), Answered: true})
	seen, err := c.settle(ctx, inst, in, &Mark{Answered: true})
	if err != nil {
		return ExchangeResult{}, err
	}
	if !seen.done {
		return ExchangeResult{}, &conversation.Error{
			Kind: conversation.Invalid,
			Op:   fmt.Sprintf("exchange with %s", in.Ref),
			Err:  fmt.Errorf("the platform answered without a message and without an end"),
		}
	}
	return seen.result, nil
}

// exchangeKeyed sends to a platform that itself sees to it that nothing counts
// twice.
func (c *Conversation) exchangeKeyed(ctx context.Context, inst platforms.Instance, in ExchangeInput) (ExchangeResult, error) {
	reply, err := inst.Platform.Send(ctx, in.Ref, platforms.Send{
		Messages: in.Messages, IdempotencyKey: exchangeKey(activity.GetInfo(ctx).WorkflowExecution.ID, in, len(in.Messages)),
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

// answered reports whether the platform is done with the failed request, so that
// a later attempt need not wait for it to take effect.
func answered(err error) bool {
	e := asError(err)
	return e != nil && (e.Answered || !e.MayHaveLanded)
}

// sighting is what the transcript says about an exchange that was tried.
type sighting struct {
	// done: it took effect, or never will; result says how.
	done   bool
	result ExchangeResult
	// taken: our messages are there, but no answer to them.
	taken bool
}

// settle reads the transcript until it shows what became of an exchange, or until
// a request in flight at the time of the mark can no longer take effect.
func (c *Conversation) settle(ctx context.Context, inst platforms.Instance, in ExchangeInput, tried *Mark) (sighting, error) {
	deadline := tried.Time.Add(inst.Settle)
	if tried.Answered {
		deadline = time.Time{}
	}
	for {
		transcript, err := inst.Platform.Transcript(ctx, in.Ref)
		if err != nil {
			return sighting{}, err
		}
		seen, err := sight(in, transcript)
		if err != nil || seen.done || !time.Now().Before(deadline) {
			return seen, err
		}
		if err := pause(ctx, min(lookAgain, time.Until(deadline))); err != nil {
			return sighting{}, err
		}
	}
}

// sight compares what the platform holds with what the exchange would add.
func sight(in ExchangeInput, transcript platforms.Transcript) (sighting, error) {
	ended := transcript.State == platforms.StateEnded
	if len(transcript.Messages) < in.Before {
		return sighting{}, &conversation.Error{
			Kind:   conversation.Invalid,
			Op:     fmt.Sprintf("exchange with %s", in.Ref),
			Err:    fmt.Errorf("the platform holds %d messages, but held %d before", len(transcript.Messages), in.Before),
			Remedy: "look whether the platform was restored from an older state; end the conversation",
		}
	}
	grown := transcript.Messages[in.Before:]
	result := ExchangeResult{
		Count:     len(transcript.Messages),
		Ended:     ended,
		EndedBy:   transcript.EndedBy,
		EndDetail: transcript.EndDetail,
	}
	if len(grown) == 0 {
		return sighting{done: ended, result: result}, nil
	}
	for i, m := range in.Messages {
		if i >= len(grown) {
			return sighting{}, foreign(in, "only a part of the agent's messages")
		}
		if grown[i].Role != m.Role || strings.TrimSpace(grown[i].Text()) != strings.TrimSpace(m.Text()) {
			return sighting{}, foreign(in, "other messages than ours")
		}
	}
	result.Taken = len(in.Messages)
	result.Messages = grown[len(in.Messages):]
	for _, m := range result.Messages {
		if m.Role == conversation.RoleAssistant {
			return sighting{}, foreign(in, "more messages of the agent than ours")
		}
	}
	if len(result.Messages) == 0 && !ended {
		return sighting{taken: true}, nil
	}
	return sighting{done: true, result: result}, nil
}

// foreign says that somebody else speaks for the agent. Going on would garble the
// conversation, so the claim counts as lost.
func foreign(in ExchangeInput, what string) error {
	return &conversation.Error{
		Kind:   conversation.Claimed,
		Op:     fmt.Sprintf("exchange with %s", in.Ref),
		Err:    fmt.Errorf("the platform holds %s after message %d: somebody else speaks for the agent", what, in.Before),
		Remedy: "look for another worker on the same agent",
	}
}

// afterEnd is what an exchange gives when the conversation was over already.
func (c *Conversation) afterEnd(ctx context.Context, inst platforms.Instance, in ExchangeInput) (ExchangeResult, error) {
	transcript, err := inst.Platform.Transcript(ctx, in.Ref)
	if err != nil {
		return ExchangeResult{}, err
	}
	transcript.State = platforms.StateEnded
	seen, err := sight(in, transcript)
	if err != nil {
		return ExchangeResult{}, err
	}
	return seen.result, nil
}
