package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/parley-run/parley/bench/internal/figure"
	"github.com/parley-run/parley/bench/internal/lab"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/pause"
)

// pickup makes conversations while a worker has nothing to do.
func pickup(ctx context.Context, l *lab.Lab, o options) ([]figure.Row, error) {
	cases := []int{1, 40}
	waits := make([][]float64, len(cases))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(pick(o.quick, len(cases), 1))
	for i, simulations := range cases {
		group.Go(func() (err error) {
			waits[i], err = pickups(ctx, l, simulations, o.rounds)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var rows []figure.Row
	for i, simulations := range cases {
		for _, percent := range []float64{0.5, 0.95} {
			rows = append(rows, figure.Row{
				Case: fmt.Sprintf("p%.0f, %d at once", 100*percent, simulations), Unit: "s", Value: figure.Percentile(waits[i], percent),
			})
		}
	}
	return rows, nil
}

// pickups are the seconds that the conversations of all rounds have waited.
func pickups(ctx context.Context, l *lab.Lab, simulations, rounds int) ([]float64, error) {
	platform, err := l.NewPlatform(ctx, lab.PlatformOptions{Personas: plan{turns: 1}.personas()})
	if err != nil {
		return nil, err
	}
	defer platform.Close()
	worker, err := l.StartWorker(ctx, lab.WorkerOptions{Platform: platform, Size: messageSize, MaxOpen: 200})
	if err != nil {
		return nil, err
	}
	defer worker.Stop()
	if err := platform.Polled(ctx, 1, worker.Ended); err != nil { // it has begun
		return nil, err
	}
	var waits []float64
	for round := range rounds {
		if err := platform.Polled(ctx, 1, worker.Ended); err != nil {
			return nil, err
		}
		// Polls are at fixed times: conversations come at all times between two of them.
		after := (2*time.Duration(round) + 1) * config.DefaultPollInterval / time.Duration(2*rounds)
		if err := pause.For(ctx, after); err != nil {
			return nil, err
		}
		at, err := platform.Add(ctx, simulations, 1)
		if err != nil {
			return nil, err
		}
		if err := platform.Personas.Await(ctx, lab.Ended((round+1)*simulations), worker.Ended); err != nil {
			return nil, err
		}
		for _, talk := range platform.Personas.Talks() {
			if talk.Opened.After(at) {
				waits = append(waits, talk.Opened.Sub(at).Seconds())
			}
		}
	}
	return waits, nil
}

// requests counts what workers ask platforms where nothing happens. Each has a platform of
// its own, so they are counted at the same time.
func requests(ctx context.Context, l *lab.Lab, o options) ([]figure.Row, error) {
	numbers := pick(o.quick, []int{0, 50}, []int{0, 500})
	rows := make([]figure.Row, len(numbers))
	group, ctx := errgroup.WithContext(ctx)
	for i, open := range numbers {
		group.Go(func() error {
			n, err := requestsPerMinute(ctx, l, open, pick(o.quick, 10*time.Second, time.Minute))
			rows[i] = figure.Row{Case: fmt.Sprintf("%d conversations open", open), Unit: "1/min", Value: n, Goal: figure.Count(pollsPerMinute)}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return rows, nil
}

// pollsPerMinute bounds the requests of one agent's inbox: a poll each two seconds, the
// default, of one page of simulations and one page of conversations.
const pollsPerMinute = 66

func requestsPerMinute(ctx context.Context, l *lab.Lab, open int, during time.Duration) (float64, error) {
	// The personas think for longer than is measured, so nothing happens in between.
	p := plan{turns: 1, conversations: open, atOnce: open}
	personas := p.personas()
	personas.Think = during + 3*time.Minute
	platform, err := l.NewPlatform(ctx, lab.PlatformOptions{Personas: personas, Simulations: min(open, 1), Conversations: open})
	if err != nil {
		return 0, err
	}
	defer platform.Close()
	worker, err := l.StartWorker(ctx, lab.WorkerOptions{Platform: platform, Size: messageSize, MaxOpen: max(open, 1), MaxActivities: p.activities()})
	if err != nil {
		return 0, err
	}
	defer worker.Kill() // what is open would hold it up
	if open > 0 {
		if err := platform.Asked(ctx, open, worker.Ended); err != nil {
			return 0, err
		}
	}
	before := platform.Requests()
	if err := platform.Polled(ctx, 1, worker.Ended); err != nil {
		return 0, err
	}
	if err := pause.For(ctx, during); err != nil {
		return 0, err
	}
	return float64(platform.Requests()-before) / during.Minutes(), nil
}
