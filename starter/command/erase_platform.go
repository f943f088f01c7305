package command

import (
	"context"
	"fmt"
	"sync"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/assemble"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/platforms"
)

// ends finds out whether conversations are over on their platforms. Without a workflow in
// Temporal, an inbox would start or adopt one that is not.
type ends struct {
	s *starter
	f eraseFlags

	once     sync.Once
	assembly *assemble.Assembly
	err      error
}

const uncheckedRemedy = "or give --unchecked, if no inbox runs that could start it again"

// check returns an error unless the conversation is over on its platform. With --end, it
// ends one that is not.
func (c *ends) check(ctx context.Context, e operate.Erasable) error {
	switch {
	case c.f.unchecked,
		e.Platform == config.DirectPlatform, e.Platform == config.SchedulePlatform, e.Schedule != "", // only clients and schedules start them
		e.Outcome == conversation.OutcomeEnded:
		return nil
	}
	c.once.Do(func() { c.assembly, c.err = c.s.assembly() })
	if c.err != nil {
		return fmt.Errorf("erase %q: whether it is over on its platform is not known: %w; %s", e.ID, c.err, uncheckedRemedy)
	}
	instance, ok := c.assembly.Platforms[e.Platform]
	if !ok {
		return fmt.Errorf("erase %q: whether it is over is not known: its platform %q is not in the configuration: add it, %s", e.ID, e.Platform, uncheckedRemedy)
	}
	over, err := isOver(ctx, instance.Platform, e.Ref())
	switch {
	case err != nil:
		return fmt.Errorf("erase %q: whether it is over on its platform is not known: %w; %s", e.ID, err, uncheckedRemedy)
	case over:
		return nil
	case c.f.end && e.Outcome != conversation.OutcomeClaimLost:
		return c.end(ctx, instance.Platform, e)
	}
	text := "an inbox would start it again: give --end to end it there"
	if e.Outcome == conversation.OutcomeClaimLost {
		text = "another worker has claimed it: erase it when it has ended"
	}
	return fmt.Errorf("erase %q: it is not over on its platform, and %s, %s", e.ID, text, uncheckedRemedy)
}

func (c *ends) end(ctx context.Context, p platforms.Platform, e operate.Erasable) error {
	talks, ok := platforms.As[platforms.Conversations](p)
	if !ok {
		return fmt.Errorf("erase %q: its task is not over on its platform, and only its worker can end it: delete the task there, %s", e.ID, uncheckedRemedy)
	}
	if err := talks.End(ctx, e.Ref()); err != nil && conversation.KindOf(err) != conversation.Ended && conversation.KindOf(err) != conversation.NotFound {
		return fmt.Errorf("erase %q: end it on its platform: %w", e.ID, err)
	}
	return nil
}

// isOver reports whether a platform lists the conversation no more.
func isOver(ctx context.Context, p platforms.Platform, ref conversation.Ref) (bool, error) {
	var err error
	over := true // a transport lists none
	if talks, ok := platforms.As[platforms.Conversations](p); ok {
		var t platforms.Transcript
		t, err = talks.Transcript(ctx, ref)
		over = t.State == platforms.StateEnded
	} else if tasks, ok := platforms.As[platforms.Tasks](p); ok {
		_, err = tasks.Context(ctx, ref)
		over = false
	}
	switch conversation.KindOf(err) {
	case conversation.Ended, conversation.NotFound:
		return true, nil
	}
	return over && err == nil, err
}
