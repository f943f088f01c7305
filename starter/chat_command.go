package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/workflows"
)

// command does what a line that begins with a slash says.
func (t *talk) command(ctx context.Context, line string) error {
	name, rest, _ := strings.Cut(line, " ")
	switch rest = strings.TrimSpace(rest); name {
	case "/help":
		t.print("%s", chatCommands)
	case "/quit":
		return errLeft
	case "/end":
		return t.end(ctx, rest)
	case "/wait":
		if len(t.waiting) == 0 {
			t.remark("all is answered")
			return nil
		}
		return t.waitAll(ctx)
	case "/resume":
		return t.resume(ctx)
	case "/retry":
		if t.failed == nil {
			t.remark("everything was sent")
			return nil
		}
		return t.send(ctx, *t.failed)
	case "/status", "/transcript":
		record, err := t.record(ctx)
		switch {
		case operate.KindOf(err) == operate.NotFound:
			t.remark("nothing has been said yet")
		case err != nil:
			t.warn("%v", err)
		case name == "/status":
			record.Persona = "" // that is us
			t.print("%s", header(record, time.Now()))
		default:
			t.show(record.Messages)
		}
	default:
		t.warn("there is no command %s: /help lists them; to say it, begin with //", name)
	}
	return nil
}

// resume goes on with a paused or parked conversation.
func (t *talk) resume(ctx context.Context) error {
	resuming, cancel := t.s.bounded(ctx)
	defer cancel()
	if _, err := t.o.Resume(resuming, t.id(), workflows.ResumeRequest{}); err != nil {
		t.warn("%v", err)
		return nil
	}
	t.remark("it goes on")
	return t.waitAll(ctx)
}

func (t *talk) end(ctx context.Context, reason string) error {
	if !t.said {
		t.remark("nothing has been said: there is no conversation to end")
		return errLeft
	}
	ending, cancel := t.s.bounded(ctx)
	defer cancel()
	if _, err := t.o.End(ending, t.id(), workflows.EndRequest{Reason: reason}); err != nil {
		t.warn("%v", err)
		return nil
	}
	t.remark("the conversation is ended")
	return errEnded
}

// farewell says how to go on, once the terminal is its owner's again.
func (t *talk) farewell(err error) {
	switch {
	case errors.Is(err, errEnded):
		t.s.say("It can be looked at: starter show %s", shellWord(t.id()))
	case !t.said:
		t.s.say("Nothing was said.")
	default:
		if len(t.waiting) > 0 && t.seen.Err != nil && operate.KindOf(t.seen.Err) != operate.NotFound {
			t.s.say("The last message may not have arrived: %v.", t.seen.Err)
		}
		t.s.say("The conversation goes on. To come back: %s", t.s.again(t.ref))
	}
}
