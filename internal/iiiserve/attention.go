package iiiserve

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/parley-run/parley/iii"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/workflows"
)

const (
	// A conversation that owes a reply is checked every second, and less often, up to
	// longestCheck, when many calls wait: all of them make checksASecond.
	longestCheck  = 10 * time.Second
	checksASecond = 50
	// confirmAfter lets a reply arrive that is on its way while the conversation waits.
	confirmAfter = 300 * time.Millisecond
	// statusFor bounds the question why a conversation waits.
	statusFor = 5 * time.Second
)

// converse says something and waits for the reply, or until it is certain that the reply
// waits for a person: then the error says so. The conversation has the message, and the
// same id has the reply later.
func (s *Server) converse(ctx context.Context, d launch.Direct, say workflows.SendRequest) (workflows.SendReply, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	accepted := make(chan struct{})
	d.Accepted = sync.OnceFunc(func() { close(accepted) })
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		select {
		case <-accepted:
			cancel(s.parked(ctx, d.Input.Ref, say.ID))
		case <-ctx.Done():
		}
	}()
	s.conversing.Add(1)
	reply, err := s.launcher.Send(ctx, d, say)
	s.conversing.Add(-1)
	var parked *iii.Error
	if err != nil && errors.As(context.Cause(ctx), &parked) {
		err = parked
	}
	cancel(nil)
	<-watching
	return reply, err
}

// parked returns an error once the conversation waits for a person, or when ctx is done.
func (s *Server) parked(ctx context.Context, ref conversation.Ref, messageID string) error {
	seen := false
	for wait := time.Second; ; {
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		c, err := s.operator.Describe(ctx, workflows.ConversationID(ref))
		waits := err == nil && c.Status == string(workflows.StateNeedsAttention)
		if waits && seen {
			return s.needsAttention(ctx, ref, messageID)
		}
		seen, wait = waits, s.nextCheck()
		if waits {
			wait = confirmAfter
		}
	}
}

func (s *Server) nextCheck() time.Duration {
	each := time.Duration(s.conversing.Load()) * time.Second / checksASecond
	return min(max(each, time.Second), longestCheck)
}

// needsAttention says why a conversation waits for a person.
func (s *Server) needsAttention(ctx context.Context, ref conversation.Ref, messageID string) error {
	ctx, cancel := context.WithTimeout(ctx, statusFor)
	defer cancel()
	var status workflows.Status
	answer, err := s.operator.Client.QueryWorkflow(ctx, workflows.ConversationID(ref), "", workflows.QueryStatus)
	if err == nil {
		err = answer.Get(&status)
	}
	at := status.Attention
	if err != nil || at == nil {
		at = &workflows.Attention{Reason: s.id("get") + " tells why"}
	}
	code := codeAttention
	if at.Kind == conversation.Refused {
		code = codeRefused
	}
	text := at.Reason
	if at.Remedy != "" {
		text += " (" + at.Remedy + ")"
	}
	return iii.Errorf(code, "conversation %q waits for a person: %s. It has the message: the reply is to be had with messageId %q once it goes on",
		ref.ID, printable.Line(text), messageID)
}
