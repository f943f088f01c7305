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
	// A conversation that owes a reply is checked every second. With many waiting calls
	// the interval grows up to maxCheckInterval, so that all of them together make
	// maxChecksPerSecond.
	maxCheckInterval   = 10 * time.Second
	maxChecksPerSecond = 50
	// confirmAfter is the wait before a second check: a reply may be on its way while
	// the status is still "needs attention".
	confirmAfter = 300 * time.Millisecond
	// statusTimeout bounds the query for the reason of a parked conversation.
	statusTimeout = 5 * time.Second
)

// sendAndWait sends a message and waits for the reply. If the conversation parks
// meanwhile, it returns an error with the reason; the conversation keeps the message, and
// a later call with the same id gets the reply.
func (s *Server) sendAndWait(ctx context.Context, d launch.Direct, message workflows.SendRequest) (workflows.SendReply, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	accepted := make(chan struct{})
	d.Accepted = sync.OnceFunc(func() { close(accepted) })
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		select {
		case <-accepted:
			cancel(s.watchParked(ctx, d.Input.Ref, message.ID))
		case <-ctx.Done():
		}
	}()
	s.waiting.Add(1)
	reply, err := s.launcher.Send(ctx, d, message)
	s.waiting.Add(-1)
	var parked *iii.Error
	if err != nil && errors.As(context.Cause(ctx), &parked) {
		err = parked
	}
	cancel(nil)
	<-watching
	return reply, err
}

// watchParked returns an error once the conversation is parked, or when ctx is done.
func (s *Server) watchParked(ctx context.Context, ref conversation.Ref, messageID string) error {
	seen := false // the last check found it parked
	for wait := time.Second; ; {
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		c, err := s.operator.Describe(ctx, workflows.ConversationID(ref))
		parked := err == nil && c.Status == string(workflows.StateNeedsAttention)
		if parked && seen {
			return s.needsAttention(ctx, ref, messageID)
		}
		seen, wait = parked, s.checkInterval()
		if parked {
			wait = confirmAfter
		}
	}
}

func (s *Server) checkInterval() time.Duration {
	each := time.Duration(s.waiting.Load()) * time.Second / maxChecksPerSecond
	return min(max(each, time.Second), maxCheckInterval)
}

// needsAttention is the error for a parked conversation, with the reason.
func (s *Server) needsAttention(ctx context.Context, ref conversation.Ref, messageID string) error {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	var status workflows.Status
	answer, err := s.operator.Client.QueryWorkflow(ctx, workflows.ConversationID(ref), "", workflows.QueryStatus)
	if err == nil {
		err = answer.Get(&status)
	}
	at := status.Attention
	if err != nil || at == nil {
		at = &workflows.Attention{Reason: s.id("get") + " returns the reason"}
	}
	code := codeAttention
	if at.Kind == conversation.Refused {
		code = codeRefused
	}
	text := at.Reason
	if at.Remedy != "" {
		text += " (" + at.Remedy + ")"
	}
	return iii.Errorf(code, "conversation %q needs an operator: %s. It keeps the message: retry with messageId %q once it is resumed",
		ref.ID, printable.Line(text), messageID)
}
