package activities

import (
	"context"

	"go.temporal.io/sdk/activity"

	"github.com/parley-run/parley/platforms"
)

const (
	// shownAdvice is how many sentences a poll's status has, maxAdvised how many are
	// remembered as said.
	shownAdvice = 5
	maxAdvised  = 100
)

// advised is what a platform sees that is amiss, and what of it the log has.
type advised struct {
	advice []string
	said   map[string]bool
}

// advise takes in what the platform advises, if it does, and logs each sentence once.
func (a *advised) advise(ctx context.Context, in PollInput, on platforms.Platform) {
	from, ok := platforms.As[platforms.Advised](on)
	if !ok {
		return
	}
	all := from.Advice()
	for _, sentence := range all {
		if a.said[sentence] {
			continue
		}
		if a.said == nil || len(a.said) >= maxAdvised {
			a.said = make(map[string]bool)
		}
		a.said[sentence] = true
		activity.GetLogger(ctx).Warn("Amiss on the platform", "platform", in.Platform, "agent", in.Agent, "advice", clip(sentence))
	}
	a.advice = nil
	for _, sentence := range all[:min(len(all), shownAdvice)] {
		a.advice = append(a.advice, clip(sentence))
	}
}
