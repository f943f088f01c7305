package activities

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

// A platform is an instance with the steps of a conversation on it.
type platform struct {
	platforms.Instance
	shape
}

// A shape is how the steps of a conversation are done on a platform of one shape: see
// conversationShape, taskShape and transportShape.
type shape interface {
	// context reads what the platform knows, with the transcript as far as it keeps one.
	context(ctx context.Context, ref conversation.Ref) (conversation.Context, platforms.Transcript, error)
	// transcript reads the transcript, as far as the platform keeps one.
	transcript(ctx context.Context, ref conversation.Ref) (platforms.Transcript, error)
	claim(ctx context.Context, k *claiming) (ClaimResult, error)
	findClaim(ctx context.Context, a *attempt, in FindClaimInput) (FindClaimResult, error)
	exchange(ctx context.Context, e *exchanging) (ExchangeResult, error)
	// end closes the conversation on the platform.
	end(ctx context.Context, a *attempt, ref conversation.Ref) error
	// tasks is the platform of tasks, or an error of kind Invalid.
	tasks(ref conversation.Ref) (platforms.Tasks, error)
}

// platformsOf finds the shape of each instance, whose calls are counted. Its error names
// every one that has none.
func platformsOf(instances map[string]platforms.Instance, count *Pressure) (map[string]platform, error) {
	all := make(map[string]platform, len(instances))
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(instances)) {
		inst := instances[name]
		is, err := platforms.ShapeOf(inst.Platform)
		p := platform{Instance: inst}
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("activities: platform %q: %w", name, err))
			continue
		case is.Conversations != nil:
			p.shape = conversationShape{inst, measuredConversations{is.Conversations, count.of(inst)}}
		case is.Tasks != nil:
			p.shape = taskShape{measuredTasks{is.Tasks, count.of(inst)}}
		default:
			p.shape = transportShape{is.Transport}
		}
		all[name] = p
	}
	return all, errors.Join(errs...)
}

// platform finds the platform of a conversation.
func (c *Conversation) platform(ref conversation.Ref) (platform, error) {
	if ref.Platform == conversation.DirectPlatform {
		return platform{}, misfit(ref, "a direct conversation has no platform")
	}
	p, ok := c.platforms[ref.Platform]
	if !ok {
		// Not final: another worker on the task queue may be configured for it.
		known := "none"
		if len(c.platforms) > 0 {
			known = "only " + strings.Join(slices.Sorted(maps.Keys(c.platforms)), ", ")
		}
		return platform{}, &conversation.Error{
			Kind:   conversation.Unavailable,
			Op:     fmt.Sprintf("platform %q", ref.Platform),
			Err:    fmt.Errorf("this worker knows %s", known),
			Remedy: "give all workers of a task queue the same platforms",
		}
	}
	return p, nil
}

// misfit is the error for a step that a platform's shape does not have: the workflow
// was started for another shape.
func misfit(ref conversation.Ref, text string) error {
	return &conversation.Error{Kind: conversation.Invalid, Op: fmt.Sprintf("platform %q", ref.Platform), Err: errors.New(text)}
}
