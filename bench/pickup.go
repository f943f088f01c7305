package main

import (
	"context"
	"fmt"
	"time"

	"github.com/parley-run/parley/bench/internal/figure"
	"github.com/parley-run/parley/bench/internal/lab"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/pause"
)

// pickup makes conversations while a worker has nothing to do.
func pickup(ctx context.Context, l *lab.Lab, o options) ([]figure.Row, error) {
	var rows []figure.Row
	for _, simulations := range []int{1, 40} {
		var waits []float64
		for round := range o.rounds {
			// Polls are at fixed times: conversations come at all times between two of them.
			after := (2*time.Duration(round) + 1) * config.DefaultPollInterval / time.Duration(2*o.rounds)
			more, err := pickups(ctx, l, simulations, after)
			if err != nil {
				return rows, err
			}
			waits = append(waits, more...)
		}
		for _, percent := range []float64{0.5, 0.95} {
			rows = append(rows, figure.Row{
				Case: fmt.Sprintf("p%.0f, %d at once", 100*percent, simulations), Unit: "s", Value: figure.Percentile(waits, percent),
			})
		}
	}
	return rows, nil
}

func pickups(ctx context.Context, l *lab.Lab, simulations int, after time.Duration) ([]float64, error) {
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
	if err := platform.Polled(ctx, 2, worker.Ended); err != nil {
		return nil, err
	}
	if err := pause.For(ctx, after); err != nil {
		return nil, err
	}
	at, err := platform.Add(ctx, simulations, 1)
	if err != nil {
		return nil, err
	}
	if err := platform.Personas.Await(ctx, lab.Ended(simulations), worker.Ended); err != nil {
		return nil, err
	}
	var waits []float64
	for _, talk := range platform.Personas.Talks() {
		waits = append(waits, talk.Opened.Sub(at).Seconds())
	}
	return waits, nil
}

// requests counts what a worker asks a platform where nothing happens.
func requests(ctx context.Context, l *lab.Lab, o options) ([]figure.Row, error) {
	var rows []figure.Row
	for _, open := range pick(o.quick, []int{0, 50}, []int{0, 500}) {
		n, err := requestsPerMinute(ctx, l, open, pick(o.quick, 10*time.Second, time.Minute))
		if err != nil {
			return rows, err
		}
		rows = append(rows, figure.Row{Case: fmt.Sprintf("%d conversations open", open), Unit: "1/min", Value: n, Goal: figure.Count(pollsPerMinute)})
	}
	return rows, nil
}

// pollsPerMinute bounds the requests of one agent's inbox: a poll each two seconds, the
// default, of one page of simulations and one page of conversations.
const pollsPerMinute = 66

func requestsPerMinute(ctx context.Context, l *lab.Lab, open int, during time.Duration) (float64, error) {
	// The personas think for longer than is measured, so nothing happens in between.
	p := plan{turns: 1, conversations: open}
	personas := p.personas()
	personas.Think = during + time.Minute
	platform, err := l.NewPlatform(ctx, lab.PlatformOptions{Personas: personas, Simulations: min(open, 1), Conversations: open})
	if err != nil {
		return 0, err
	}
	defer platform.Close()
	worker, err := l.StartWorker(ctx, lab.WorkerOptions{Platform: platform, Size: messageSize, MaxOpen: max(open, 1)})
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
