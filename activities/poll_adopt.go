package activities

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/parley-run/parley/platforms"
)

const (
	// adoptEvery and orphansEvery are how often orphans are searched for: to adopt
	// them, and only to count them. It costs the platform a request for each
	// conversation in progress.
	adoptEvery   = time.Minute
	orphansEvery = 10 * time.Minute
	// orphanAfter is how long a conversation in progress must have been idle to be
	// counted as an orphan.
	orphanAfter = 10 * time.Minute
)

// adopt starts conversations that another worker claimed and left, or, where the inbox
// does not adopt, counts them. Temporal decides, when a conversation is started,
// whether one of our workflows runs it; its age does not.
func (p *poll) adopt(ctx context.Context, stopping <-chan struct{}) error {
	adopts := p.in.Settings.AdoptAfter > 0
	every := orphansEvery
	if adopts {
		every = min(p.in.Settings.AdoptAfter/2, adoptEvery)
	}
	if adopts && p.view.full() || !p.searched.IsZero() && time.Since(p.searched) < every {
		return nil
	}
	p.searched = time.Now()
	open, err := p.source.Open(ctx, p.in.Project, p.in.Agent)
	rows, listErr := platforms.RowErrors(err)
	p.skips.rows(ctx, listOpen, rows)
	orphans := p.idle(open)
	if !adopts {
		return errors.Join(p.countOrphans(ctx, orphans), listErr)
	}
	p.status.Orphans = 0
	for batch := range slices.Chunk(orphans, startsPerBatch) {
		if isStopped(ctx, stopping) {
			return nil
		}
		full, err := p.startBatch(ctx, batch, true)
		if err != nil {
			return errors.Join(err, listErr)
		}
		if full {
			break
		}
	}
	return listErr
}

// idle keeps those conversations in progress that may be orphans.
func (p *poll) idle(open []platforms.Assignment) []platforms.Assignment {
	left, now := cmp.Or(p.in.Settings.AdoptAfter, orphanAfter), p.clock.now()
	return slices.DeleteFunc(open, func(a platforms.Assignment) bool {
		return now.Sub(a.Touched) < left || p.view.has(a.Ref.String())
	})
}

// countOrphans counts the conversations that no workflow runs.
func (p *poll) countOrphans(ctx context.Context, idle []platforms.Assignment) error {
	n := 0
	for _, a := range idle {
		info, err := p.runs.Describe(ctx, a.Ref.String())
		if err != nil {
			return fmt.Errorf("inbox: describe conversations in progress: %w", err)
		}
		if !info.Running {
			n++
		}
	}
	if n > 0 && p.status.Orphans == 0 {
		activity.GetLogger(ctx).Warn("Conversations are in progress that no workflow runs; the inbox does not adopt them",
			"platform", p.in.Platform, "project", p.in.Project, "agent", p.in.Agent, "conversations", n,
			"remedy", "set adopt_after to adopt them, or run `starter run --adopt CONVERSATION`")
	}
	p.status.Orphans, p.status.OrphansAt = n, p.clock.now().UTC()
	return nil
}
