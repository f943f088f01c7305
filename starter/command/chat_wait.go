package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parley-run/parley/internal/chat"
	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

func (t *talk) waitAll(ctx context.Context) error {
	for len(t.waiting) > 0 {
		if err := t.wait(ctx, t.waiting[0].Done()); err != nil {
			return err
		}
		if err := t.deliver(ctx); err != nil {
			return err
		}
	}
	return nil
}

// deliver shows the result of the oldest open message.
func (t *talk) deliver(ctx context.Context) error {
	p := t.waiting[0]
	t.waiting = t.waiting[1:]
	reply, err := p.Result()
	switch {
	case errors.Is(err, launch.ErrOver):
		t.warn("this message got no reply")
		return t.isOver(ctx)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		t.failed = &p.Request
		t.warn("%v", refused(t.o, t.ref, err))
		t.remark("/retry sends the message again, under the same id")
		return nil
	}
	label := t.ref.Agent + " › "
	t.print("%s", speech(label, t.agent(label), replyText(reply), t.screen.Width()))
	if reply.Ended {
		return t.isOver(ctx)
	}
	return nil
}

// isOver says how the conversation ended.
func (t *talk) isOver(ctx context.Context) error {
	ctx, cancel := t.s.bounded(ctx)
	defer cancel()
	how := ""
	if c, err := t.o.Describe(ctx, t.id()); err == nil && !c.Open && c.Result() != "" {
		how = fmt.Sprintf(": %s after %s", c.Result(), count(c.Turns, "turn"))
	}
	t.print("\n")
	t.remark("the conversation has ended%s", how)
	return errEnded
}

// wait shows changes until done is closed or, if it is nil, until the agent listens. It
// asks about tool calls that wait for approval. errStopped: the user stopped the wait.
func (t *talk) wait(ctx context.Context, done <-chan struct{}) error {
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	sightings := t.conversation.Watch(watching)
	began := time.Now()
	t.seen, t.shown.absent = chat.Condition{Since: began}, false
	ticker := time.NewTicker(spin)
	defer ticker.Stop()
	defer t.screen.Progress("")
	for turn := 0; ; {
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case chunk, open := <-t.screen.Typed():
			if !open {
				return errLeft // the terminal is gone
			}
			if t.screen.Later(chunk) {
				return t.stopWaiting()
			}
		case <-ticker.C:
			turn++
			if now := time.Now(); now.Sub(began) > 2*spin {
				text := string(spinner[turn%len(spinner)]) + " " + progress(t.ref.Agent, t.seen, began, now)
				t.screen.Progress(t.faint(clip(text, t.screen.Width()-1)))
			}
		case seen := <-sightings:
			if err := t.see(ctx, seen, done, sightings); err != nil {
				return err
			}
			if done == nil && seen.Err == nil && seen.Status.Queued == 0 {
				switch seen.Status.State {
				case workflows.StateListening:
					return nil
				case workflows.StateClosed:
					return errEnded
				}
			}
		}
	}
}

func (t *talk) stopWaiting() error {
	t.remark("stopped waiting: the reply is shown when it comes; /wait waits again")
	if t.seen.Err != nil && records.KindOf(t.seen.Err) != records.NotFound {
		t.remark("%s: the message may not have arrived. It is retried while this command runs", t.seen.Err)
	}
	t.remark("later: %s", t.s.again(t.ref))
	return errStopped
}

// see shows changes, and asks for decisions.
func (t *talk) see(ctx context.Context, seen chat.Condition, done <-chan struct{}, sightings <-chan chat.Condition) error {
	t.seen = seen
	switch {
	case seen.Err == nil && t.shown.absent:
		t.shown.absent = false
		t.remark("the conversation continues")
	case seen.Absent(graceful) && !t.shown.absent:
		t.shown.absent = true
		t.remark("%v: waiting", seen.Err)
	}
	if seen.Err != nil {
		return nil
	}
	if a := seen.Status.Attention; a != nil && !a.Since.Equal(t.shown.attention) {
		t.shown.attention = a.Since
		t.print("%s", t.attention(seen.Status, t.id(), time.Now()))
	}
	for _, a := range seen.Status.Approvals {
		if key := callKey(a); !t.decided[key] {
			if err := t.decide(ctx, a, done, sightings); err != nil {
				return err
			}
			t.decided[key] = true
		}
	}
	return nil
}
