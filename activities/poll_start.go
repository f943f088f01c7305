package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"go.opentelemetry.io/otel/trace"

	"github.com/parley-run/parley/internal/lease"
	"github.com/parley-run/parley/internal/tracing"
	"github.com/parley-run/parley/platforms"
)

const (
	// startsAtOnce is how many workflows are started at the same time.
	startsAtOnce = 8
	// startsPerBatch is how many are started before the poll asks again whether it is
	// to go on.
	startsPerBatch = 32
)

// start starts as many of the waiting conversations as there is capacity for.
func (p *poll) start(ctx context.Context, stopping <-chan struct{}, waiting []platforms.Assignment) error {
	waiting = slices.DeleteFunc(slices.Clone(waiting), func(a platforms.Assignment) bool {
		id := a.Ref.String()
		return p.existing[id] || p.view.has(id) || p.skips.recentlyRefused(a.Ref)
	})
	for len(waiting) > 0 && !isStopped(ctx, stopping) {
		batch := platforms.Fair(waiting, p.view.bySimulation(), p.served, startsPerBatch)
		full, err := p.startBatch(ctx, batch, false)
		if err != nil || full {
			return err
		}
		waiting = slices.DeleteFunc(waiting, func(a platforms.Assignment) bool { return slices.Contains(batch, a) })
	}
	return nil
}

// startBatch starts those of a batch for which it gets a reservation. full reports that
// it did not get one for each.
func (p *poll) startBatch(ctx context.Context, batch []platforms.Assignment, adopt bool) (full bool, err error) {
	byID := make(map[string]platforms.Assignment, len(batch))
	var req ReserveRequest
	for _, a := range batch {
		id := a.Ref.String()
		byID[id] = a
		req.Wanted = append(req.Wanted, Reservation{ID: id, Simulation: a.Ref.Simulation})
	}
	out, err := p.view.reserve(ctx, req)
	if err != nil {
		return false, err
	}
	full = len(out.Granted)+len(out.Known) < len(batch)
	if len(out.Granted) == 0 {
		return full, nil
	}
	// A paused inbox must not go on starting until the next heartbeat is answered.
	if err := p.mayStart(ctx); err != nil {
		p.view.unused(out.Granted...)
		return full, err
	}
	return full, p.startGranted(ctx, out.Granted, byID, adopt)
}

// startGranted starts a conversation for each reservation, several at once.
func (p *poll) startGranted(ctx context.Context, granted []Reservation, byID map[string]platforms.Assignment, adopt bool) error {
	ctx, span := tracing.Start(ctx, tracing.SpanPoll, "", trace.SpanKindInternal,
		tracing.KeyPlatform.String(tracing.Name(p.in.Platform)), tracing.KeyProject.String(tracing.ID(p.in.Project)), tracing.KeyAgentID.String(tracing.ID(p.in.Agent)))
	defer span.End()
	errs := make([]error, len(granted))
	started := make([]bool, len(granted))
	var all sync.WaitGroup
	slots := make(chan struct{}, startsAtOnce)
	for i, r := range granted {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			started[i], errs[i] = p.startOne(ctx, byID[r.ID], r, adopt)
		})
	}
	all.Wait()
	begun := 0
	for i, r := range granted {
		switch {
		case started[i]:
			begun++
			p.count(ctx, byID[r.ID], adopt)
		case errs[i] == nil:
			p.existing[r.ID] = !adopt
		case isRefused(errs[i]):
			p.skips.refuse(ctx, byID[r.ID].Ref, errs[i])
			errs[i] = nil
		}
	}
	span.Set(tracing.KeyStarted.Int(begun))
	return errors.Join(errs...)
}

// mayStart asks whether the inbox still wants this poll. A cancelled attempt's context
// is done.
func (p *poll) mayStart(ctx context.Context) error {
	if err := p.live.record(ctx, p.status); err != nil {
		return fmt.Errorf("inbox: record heartbeat: %w", err)
	}
	return ctx.Err()
}

// startOne starts one conversation with its reservation.
func (p *poll) startOne(ctx context.Context, a platforms.Assignment, r Reservation, adopt bool) (started bool, err error) {
	if err := lease.Check(ctx); err != nil {
		p.view.unused(r)
		return false, err
	}
	ctx, span := tracing.Start(ctx, tracing.SpanStart, "", trace.SpanKindProducer, tracing.Of(a.Ref)...)
	defer span.End()
	defer func() { span.Fail(err) }()
	_, started, err = p.runs.Start(ctx, StartRequest{
		Ref: a.Ref, Policy: p.in.Settings.Policy, Persona: a.Persona, Adopt: adopt, Task: p.tasks,
		Reservation: r, Limit: p.view.limit,
	})
	switch {
	case started:
		p.view.started(r)
	case isRefused(err):
		p.view.unused(r)
	case err == nil:
		p.view.notStarted(ctx, r) // another poll may have started it, or it has run
	}
	// After any other error the workflow may have been started: the next sync finds
	// out.
	return started, err
}

// count records a started conversation.
func (p *poll) count(ctx context.Context, a platforms.Assignment, adopt bool) {
	p.metrics.conversationStarted(ctx, p.in.Platform, adopt)
	p.status.Started++
	if adopt {
		p.status.Adopted++
	}
	served := slices.DeleteFunc(p.served, func(s string) bool { return s == a.Ref.Simulation })
	p.served = append(served, a.Ref.Simulation)
	p.served = p.served[max(0, len(p.served)-maxServed):]
}

// isStopped is checked before each batch: what this poll does not start, the poll on
// another worker starts at once.
func isStopped(ctx context.Context, stopping <-chan struct{}) bool {
	select {
	case <-ctx.Done():
		return true
	case <-stopping:
		return true
	default:
		return false
	}
}
