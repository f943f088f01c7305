package command

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"

	"github.com/parley-run/parley/internal/chat"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

// lines sends each line of the input and writes the replies.
func (t *talk) lines(ctx context.Context) error {
	t.s.say("conversation %s", t.id())
	if t.before != nil && !t.before.Open {
		return over(t.before.Conversation)
	}
	in := bufio.NewReader(t.s.stdin)
	for {
		line, readErr := in.ReadString('\n')
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) != "" {
			reply, err := t.exchange(ctx, workflows.SendRequest{ID: chat.NewMessageID(), Text: line}, t.remarkTo)
			if err != nil {
				return err
			}
			if err := t.s.replied(t.id(), reply); err != nil {
				return err
			}
			if reply.Ended {
				t.s.say("The conversation has ended.")
				return nil
			}
		}
		switch {
		case errors.Is(readErr, io.EOF):
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if t.said {
				t.s.say("The conversation continues. To come back: %s", t.s.again(t.ref))
			}
			return nil
		case readErr != nil:
			return readErr
		}
	}
}

// exchange sends a message and waits for the reply. see receives the conversation's
// condition meanwhile, and may stop the wait.
func (t *talk) exchange(ctx context.Context, req workflows.SendRequest, see func(chat.Condition) error) (workflows.SendReply, error) {
	if err := req.Validate(); err != nil {
		return workflows.SendReply{}, usage(err)
	}
	t.said = true
	pending := t.conversation.Send(req)
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	sightings := t.conversation.Watch(watching)
	for {
		select {
		case <-pending.Done():
			reply, err := pending.Result()
			if err != nil && ctx.Err() == nil {
				err = refused(t.o, t.ref, err)
			}
			return reply, err
		case seen, open := <-sightings:
			if !open {
				sightings = nil // the result comes at once
				continue
			}
			t.seen = seen
			if err := see(seen); err != nil {
				return workflows.SendReply{}, err
			}
		}
	}
}

// remarkTo reports on standard error what the reply waits for.
func (t *talk) remarkTo(seen chat.Condition) error {
	switch {
	case seen.Err == nil:
		t.shown.absent = false
	case seen.Absent(graceful) && !t.shown.absent:
		t.shown.absent = true
		t.s.say("%v: waiting.", seen.Err)
	}
	if seen.Err != nil {
		return nil
	}
	for _, a := range seen.Status.Approvals {
		if key := callKey(a); !t.decided[key] {
			if t.decided == nil {
				t.decided = map[string]bool{}
			}
			t.decided[key] = true
			t.s.say("The call of the tool %s waits for approval: starter approve %s", clip(a.Tool, 200), shellWord(t.id()))
		}
	}
	a := seen.Status.Attention
	switch {
	case a == nil:
	case seen.Status.State == workflows.StateNeedsAttention:
		return parked(t.id(), seen.Status)
	case !a.Since.Equal(t.shown.attention):
		t.shown.attention = a.Since
		t.s.say("The conversation is paused: %s. `starter resume %s` resumes it.", clip(a.Reason, 300), shellWord(t.id()))
	}
	return nil
}

// parked is the error of a conversation that needs an operator.
func parked(id string, st workflows.Status) error {
	text := "conversation " + id + " needs attention: " + clip(st.Attention.Reason, 500)
	if st.Attention.Remedy != "" {
		text += " (" + clip(st.Attention.Remedy, 500) + ")"
	}
	return &exitError{codeNeedsOperator, errors.New(text)}
}

func over(c records.Conversation) error {
	return &exitError{codeNeedsOperator, errors.New("conversation " + c.ID + " has ended (" + c.Result() + "): it accepts no more messages")}
}
