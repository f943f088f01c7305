package activities

import (
	"context"

	"go.temporal.io/sdk/activity"

	"github.com/parley-run/parley/conversation"
)

// history is the conversation so far: from the cache, else from the workflow, else from
// the platform.
func (c *Conversation) history(ctx context.Context, in ReplyInput) ([]conversation.Message, error) {
	id := activity.GetInfo(ctx).WorkflowExecution.ID
	var before []conversation.Message
	if in.Before > 0 {
		held, ok := c.cache.get(id, in.Digest)
		c.metrics.cacheLookup(ctx, ok)
		if ok {
			before = held
		} else {
			read, err := c.read(ctx, in)
			if err != nil {
				return nil, err
			}
			before = read
		}
	}
	all := make([]conversation.Message, 0, len(before)+len(in.New)+1)
	return append(append(all, before...), in.New...), nil
}

func (c *Conversation) read(ctx context.Context, in ReplyInput) ([]conversation.Message, error) {
	first, newest := in.Before, []conversation.Message(nil)
	if c.transcripts != nil {
		execution := activity.GetInfo(ctx).WorkflowExecution
		var err error
		if first, newest, err = c.transcripts.Messages(ctx, execution.ID, execution.RunID, in.Before); err != nil {
			if in.OnlyCopy {
				return nil, &conversation.Error{Kind: conversation.Unavailable, Op: "transcript", Err: err}
			}
			// The workflow may have no worker for the moment: the platform knows too.
			first, newest = in.Before, nil
		}
	}
	if first == 0 {
		return newest, nil
	}
	if in.OnlyCopy {
		return newest, nil
	}
	p, err := c.platform(in.Ref)
	if err != nil {
		return nil, err
	}
	transcript, err := p.transcript(ctx, in.Ref)
	if err != nil {
		return nil, err
	}
	if len(transcript.Messages) < first-in.Internal {
		return newest, nil // a platform that keeps less than the workflow
	}
	// The platform has none of what went on between the agent and its tools.
	missing := in.Internal
	for _, m := range newest {
		if m.Internal() {
			missing--
		}
	}
	upTo := min(max(0, first-max(0, missing)), len(transcript.Messages))
	older := transcript.Messages[:upTo:upTo]
	return append(older, newest...), nil
}
