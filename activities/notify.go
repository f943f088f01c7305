package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/tracing"
	"github.com/parley-run/parley/platforms"
)

// NotifyInput notifies a platform of an event.
type NotifyInput struct {
	// Platform is the name of the instance.
	Platform string             `json:"platform"`
	Event    conversation.Event `json:"event"`
}

// NotifyOptions retry for about four minutes: no conversation waits longer than that for
// its end.
func NotifyOptions() workflow.ActivityOptions {
	return workflow.ActivityOptions{
		StartToCloseTimeout: 30 * time.Second,
		HeartbeatTimeout:    heartbeatTimeout,
		RetryPolicy:         retries(12),
	}
}

// NotifyResult means that the platform was notified, unless it was handed over.
type NotifyResult struct {
	HandedOver bool `json:"handed_over,omitempty"`
	// Failed, with HandedOver, is how many attempts at this activity had failed. The
	// hand-over itself is none.
	Failed int `json:"failed,omitempty"`
}

// Notify notifies a platform that is a [platforms.Listener] of an event.
func (c *Conversation) Notify(ctx context.Context, in NotifyInput) (NotifyResult, error) {
	a := c.begin(ctx, "notify", in.Event.Conversation, nil)
	a.span.Set(tracing.KeyEvent.String(string(in.Event.Type)))
	defer a.end()
	err := a.notify(a.work, in)
	switch {
	case err != nil && a.handsOver():
		return NotifyResult{HandedOver: true, Failed: failedAttempts(ctx)}, nil
	case err != nil:
		return NotifyResult{}, a.fail(err, ErrorDetails{})
	}
	return NotifyResult{}, nil
}

func (a *attempt) notify(ctx context.Context, in NotifyInput) error {
	p, err := a.platform(conversation.Ref{Platform: in.Platform})
	if err != nil {
		return err
	}
	listener, ok := platforms.As[platforms.Listener](p.Platform)
	if !ok {
		return &conversation.Error{
			Kind: conversation.Invalid, Op: fmt.Sprintf("platform %q", in.Platform), Err: errors.New("it does not listen to events"),
		}
	}
	if err := a.act(ctx, "notify"); err != nil {
		return err
	}
	in.Event.Run = a.info.WorkflowExecution.RunID
	return listener.Notify(ctx, in.Event)
}
