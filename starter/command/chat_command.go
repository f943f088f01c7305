package command

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

// command executes a line that begins with a slash.
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
			t.remark("no reply is missing")
			return nil
		}
		return t.waitAll(ctx)
	case "/resume":
		return t.resume(ctx)
	case "/retry":
		if t.failed == nil {
			t.remark("no message is unsent")
			return nil
		}
		return t.send(ctx, *t.failed)
	case "/status", "/transcript":
		record, err := t.record(ctx)
		switch {
		case records.KindOf(err) == records.NotFound:
			t.remark("there are no messages yet")
		case err != nil:
			t.warn("%v", err)
		case name == "/status":
			record.Persona = "" // the persona is the user here
			t.print("%s", header(record, time.Now()))
		default:
			t.show(record.Messages)
		}
	default:
		t.warn("there is no command %s: /help lists them; begin with // to send it as a message", name)
	}
	return nil
}

// resume resumes a paused or parked conversation.
func (t *talk) resume(ctx context.Context) error {
	resuming, cancel := t.s.bounded(ctx)
	defer cancel()
	if _, err := t.o.Resume(resuming, t.id(), workflows.ResumeRequest{By: t.s.operatorName()}); err != nil {
		t.warn("%v", err)
		return nil
	}
	t.remark("the conversation continues")
	return t.waitAll(ctx)
}

func (t *talk) end(ctx context.Context, reason string) error {
	if !t.said {
		t.remark("there is no conversation to end: no message was sent")
		return errLeft
	}
	ending, cancel := t.s.bounded(ctx)
	defer cancel()
	if _, err := t.o.End(ending, t.id(), workflows.EndRequest{Reason: reason, By: t.s.operatorName()}); err != nil {
		t.warn("%v", err)
		return nil
	}
	t.remark("the conversation has ended")
	return errEnded
}

// farewell says how to continue, after the terminal is restored.
func (t *talk) farewell(err error) {
	switch {
	case errors.Is(err, errEnded):
		t.s.say("To read it: starter show %s", shellWord(t.id()))
	case !t.said:
		t.s.say("No message was sent.")
	default:
		if len(t.waiting) > 0 && t.seen.Err != nil && records.KindOf(t.seen.Err) != records.NotFound {
			t.s.say("The last message may not have arrived: %v.", t.seen.Err)
		}
		t.s.say("The conversation continues. To come back: %s", t.s.again(t.ref))
	}
}
