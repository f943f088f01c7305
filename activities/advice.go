package activities

import (
	"context"

	"go.temporal.io/sdk/activity"

	"github.com/parley-run/parley/platforms"
)

const (
	// shownAdvice is how many sentences a poll's status has, maxAdvised how many are
	// remembered as logged.
	shownAdvice = 5
	maxAdvised  = 100
)

// advised is a platform's newest advice, and which of it the log has.
type advised struct {
	advice []string
	logged map[string]bool
}

// advise keeps the advice of a platform that gives some, and logs each sentence once.
func (a *advised) advise(ctx context.Context, in PollInput, on platforms.Platform) {
	from, ok := platforms.As[platforms.Advised](on)
	if !ok {
		return
	}
	all := from.Advice()
	for _, sentence := range all {
		if a.logged[sentence] {
			continue
		}
		if a.logged == nil || len(a.logged) >= maxAdvised {
			a.logged = make(map[string]bool)
		}
		a.logged[sentence] = true
		activity.GetLogger(ctx).Warn("The platform gives advice", "platform", in.Platform, "agent", in.Agent, "advice", clip(sentence))
	}
	a.advice = nil
	for _, sentence := range all[:min(len(all), shownAdvice)] {
		a.advice = append(a.advice, clip(sentence))
	}
}
