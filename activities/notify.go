package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

// NotifyInput tells a platform what has happened.
type NotifyInput struct {
	// Platform is the name of the instance.
	Platform string             `json:"platform"`
	Event    conversation.Event `json:"event"`
}

// NotifyOptions try for about four minutes: nobody waits for an event, and the
// conversation must not wait for long to end.
func NotifyOptions() workflow.ActivityOptions {
	return workflow.ActivityOptions{
		StartToCloseTimeout: 30 * time.Second,
		HeartbeatTimeout:    heartbeatTimeout,
		RetryPolicy:         retries(12),
	}
}

// NotifyResult says that the platform knows, unless it was handed over.
type NotifyResult struct {
	HandedOver bool `json:"handed_over,omitempty"`
	// Tries, with HandedOver, is how many attempts at this activity had failed. The
	// hand-over itself is none.
	Tries int `json:"tries,omitempty"`
}

// Notify tells a platform that listens what has happened.
func (c *Conversation) Notify(ctx context.Context, in NotifyInput) (NotifyResult, error) {
	live := keepAlive(ctx, c.heartbeats, nil)
	defer live.stop()
	if err := c.notify(ctx, in); err != nil {
		return NotifyResult{}, c.failed(ctx, "notify", err, conversation.Usage{})
	}
	return NotifyResult{}, nil
}

func (c *Conversation) notify(ctx context.Context, in NotifyInput) error {
	inst, err := c.instance(conversation.Ref{Platform: in.Platform})
	if err != nil {
		return err
	}
	listener, ok := inst.Platform.(platforms.Listener)
	if !ok {
		return &conversation.Error{
			Kind: conversation.Invalid, Op: fmt.Sprintf("platform %q", in.Platform), Err: errors.New("it does not listen to events"),
		}
	}
	in.Event.Run = activity.GetInfo(ctx).WorkflowExecution.RunID
	return listener.Notify(ctx, in.Event)
}
