package activities

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/parley-run/parley/internal/lease"
	"github.com/parley-run/parley/platforms"
)

const (
	// startsAtOnce is how many workflows are started at the same time.
	startsAtOnce = 8
	// startsPerBeat is how many are started before the poll asks again whether it is
	// to go on.
	startsPerBeat = 32
)

// start starts as many of the waiting as there are places for.
func (p *poll) start(ctx context.Context, stopping <-chan struct{}, waiting []platforms.Assignment) error {
	waiting = slices.DeleteFunc(slices.Clone(waiting), func(a platforms.Assignment) bool {
		id := a.Ref.String()
		return p.skip[id] || p.open.has(id) || p.skips.refusedLately(a.Ref)
	})
	for len(waiting) > 0 && !stopped(ctx, stopping) {
		chosen := platforms.Fair(waiting, p.open.bySimulation(), p.served, startsPerBeat)
		out, err := p.startBatch(ctx, chosen, false)
		if err != nil {
			return err
		}
		if len(out.Granted)+len(out.Known) < len(chosen) {
			return nil // no place is left
		}
		waiting = slices.DeleteFunc(waiting, func(a platforms.Assignment) bool { return slices.Contains(chosen, a) })
	}
	return nil
}

// startBatch starts conversations, as many as get a place.
func (p *poll) startBatch(ctx context.Context, batch []platforms.Assignment, adopt bool) (ReserveResult, error) {
	by := make(map[string]platforms.Assignment, len(batch))
	req := ReserveRequest{}
	for _, a := range batch {
		id := a.Ref.String()
		by[id] = a
		req.Wanted = append(req.Wanted, Reservation{ID: id, Simulation: a.Ref.Simulation})
	}
	out, err := p.open.reserve(ctx, req)
	if err != nil || len(out.Granted) == 0 {
		return out, err
	}
	// A paused inbox must not go on starting until the next heartbeat happens to
	// tell.
	if err := p.mayStart(ctx); err != nil {
		p.open.unused(out.Granted...)
		return out, err
	}
	errs := make([]error, len(out.Granted))
	began := make([]bool, len(out.Granted))
	var all sync.WaitGroup
	slots := make(chan struct{}, startsAtOnce)
	for i, place := range out.Granted {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			began[i], errs[i] = p.startOne(ctx, by[place.ID], place, adopt)
		})
	}
	all.Wait()
	for i, place := range out.Granted {
		if began[i] {
			p.hasStarted(ctx, by[place.ID], adopt)
		} else if errs[i] == nil {
			p.skip[place.ID] = !adopt
		} else if refused(errs[i]) {
			p.skips.refuse(ctx, by[place.ID].Ref, errs[i])
			errs[i] = nil
		}
	}
	return out, errors.Join(errs...)
}

// mayStart asks whether the inbox still wants this poll.
func (p *poll) mayStart(ctx context.Context) error {
	err := p.live.record(ctx, p.status)
	if err == nil {
		return nil
	}
	if temporal.IsCanceledError(err) {
		<-ctx.Done() // at the next heartbeat
		return ctx.Err()
	}
	return fmt.Errorf("inbox: ask whether to go on: %w", err)
}

// startOne starts one conversation with the place it got.
func (p *poll) startOne(ctx context.Context, a platforms.Assignment, place Reservation, adopt bool) (started bool, err error) {
	if err := lease.Check(ctx); err != nil {
		p.open.unused(place)
		return false, err
	}
	_, started, err = p.runs.Start(ctx, StartRequest{
		Ref: a.Ref, Policy: p.in.Settings.Policy, Persona: a.Persona, Adopt: adopt, Task: p.tasks,
		Reservation: place, Limit: p.open.limit,
	})
	switch {
	case started:
		p.open.started(place)
	case refused(err):
		p.open.unused(place)
	case err == nil:
		p.open.settle(ctx, place) // another poll may have started it, or it has run
	}
	// After any other error the workflow may have been started: the next sync finds
	// out.
	return started, err
}

func (p *poll) hasStarted(ctx context.Context, a platforms.Assignment, adopt bool) {
	p.metrics.conversationStarted(ctx, p.in.Platform, adopt)
	p.status.Started++
	if adopt {
		p.status.Adopted++
	}
	p.served = append(slices.DeleteFunc(p.served, func(s string) bool { return s == a.Ref.Simulation }), a.Ref.Simulation)
	if len(p.served) > maxServed {
		p.served = p.served[len(p.served)-maxServed:]
	}
}

const (
	// adoptEvery and orphansEvery are how often orphans are looked for: to be
	// adopted, and only to be counted. It costs the platform a request for each
	// conversation in progress.
	adoptEvery   = time.Minute
	orphansEvery = 10 * time.Minute
	// orphanAfter is how long nothing has happened in what counts as an orphan.
	orphanAfter = 10 * time.Minute
)

// adopt starts what somebody claimed and left, or, where the inbox does not adopt,
// counts it. Whether one of our workflows runs a conversation is Temporal's to say,
// when it is started, not ours by its age.
func (p *poll) adopt(ctx context.Context, stopping <-chan struct{}) error {
	every := orphansEvery
	if p.in.Settings.AdoptAfter > 0 {
		every = min(p.in.Settings.AdoptAfter/2, adoptEvery)
	}
	if p.in.Settings.AdoptAfter > 0 && p.open.full() || !p.adopted.IsZero() && time.Since(p.adopted) < every {
		return nil
	}
	p.adopted = time.Now()
	open, err := p.source.Open(ctx, p.in.Project, p.in.Agent)
	rows, listErr := platforms.RowErrors(err)
	p.skips.rows(ctx, listOpen, rows)
	left := cmp.Or(p.in.Settings.AdoptAfter, orphanAfter)
	now := p.now(ctx)
	open = slices.DeleteFunc(open, func(a platforms.Assignment) bool {
		return now.Sub(a.Touched) < left || p.open.has(a.Ref.String())
	})
	if p.in.Settings.AdoptAfter <= 0 {
		return errors.Join(p.countOrphans(ctx, open), listErr)
	}
	p.status.Orphans = 0
	for batch := range slices.Chunk(open, startsPerBeat) {
		if stopped(ctx, stopping) {
			return nil
		}
		out, err := p.startBatch(ctx, batch, true)
		if err != nil {
			return errors.Join(err, listErr)
		}
		if len(out.Granted)+len(out.Known) < len(batch) {
			return listErr // no place is left
		}
	}
	return listErr
}

// countOrphans counts the conversations that no workflow runs.
func (p *poll) countOrphans(ctx context.Context, open []platforms.Assignment) error {
	n := 0
	for _, a := range open {
		info, err := p.runs.Look(ctx, a.Ref.String())
		if err != nil {
			return fmt.Errorf("inbox: look up conversations in progress: %w", err)
		}
		if !info.Running {
			n++
		}
	}
	if n > 0 && p.status.Orphans == 0 {
		activity.GetLogger(ctx).Warn("Conversations are in progress that no workflow runs; the inbox leaves them alone",
			"platform", p.in.Platform, "project", p.in.Project, "agent", p.in.Agent, "conversations", n,
			"remedy", "set adopt_after to have them taken over, or run `starter run --adopt CONVERSATION`")
	}
	p.status.Orphans, p.status.OrphansAt = n, p.now(ctx).UTC()
	return nil
}

// now is the time by Temporal's clock: workers' clocks may differ.
func (p *poll) now(ctx context.Context) time.Time {
	began := activity.GetInfo(ctx).StartedTime
	if began.IsZero() {
		return time.Now()
	}
	return began.Add(time.Since(p.began))
}

// stopped is looked at before each batch: what is not started now, another worker
// starts at once.
func stopped(ctx context.Context, stopping <-chan struct{}) bool {
	select {
	case <-ctx.Done():
		return true
	case <-stopping:
		return true
	default:
		return false
	}
}
