package main

import (
	"context"
	"fmt"
	"time"

	"github.com/parley-run/parley/bench/internal/figure"
	"github.com/parley-run/parley/bench/internal/lab"
	"github.com/parley-run/parley/internal/pause"
)

// load has a worker hold conversations all the time, and compares its memory and open
// files in the last quarter with those in the second: the first fills caches.
func load(ctx context.Context, l *lab.Lab, o options) ([]figure.Row, error) {
	const atOnce = 20
	platform, err := l.NewPlatform(ctx, lab.PlatformOptions{Personas: plan{turns: 5, persona: 200 * time.Millisecond}.personas()})
	if err != nil {
		return nil, err
	}
	defer platform.Close()
	worker, err := l.StartWorker(ctx, lab.WorkerOptions{Platform: platform, Model: 200 * time.Millisecond, Size: messageSize, MaxOpen: atOnce})
	if err != nil {
		return nil, err
	}
	defer worker.Stop()
	began := time.Now()
	var memory, files []float64
	for time.Since(began) < o.load || ended(platform) == 0 {
		if time.Since(began) > o.load+5*time.Minute {
			return nil, fmt.Errorf("no conversation has ended within %s: see %s", time.Since(began).Round(time.Second), worker.Log)
		}
		if begun := len(platform.Personas.Talks()); platform.Made()-begun < atOnce {
			if _, err := platform.Add(ctx, 1, atOnce); err != nil {
				return nil, err
			}
		}
		used, err := lab.UsageOf(worker.PID)
		if err != nil {
			return nil, err
		}
		memory, files = append(memory, float64(used.RSS)/(1<<20)), append(files, float64(used.Files))
		if err := pause.For(ctx, o.load/200); err != nil {
			return nil, err
		}
		if err := worker.Ended(); err != nil {
			return nil, err
		}
	}
	row := func(what, unit string, samples []float64) figure.Row {
		n := len(samples)
		r := figure.Against("before", []float64{figure.Median(samples[3*n/4:])}, []float64{figure.Median(samples[n/4 : n/2])})
		r.Case, r.Unit, r.Goal = what, unit, figure.AtMost(1.1)
		return r
	}
	return []figure.Row{
		{Case: fmt.Sprintf("conversations ended in %s", o.load), Value: float64(ended(platform))},
		row("memory, last quarter", "MiB", memory),
		row("open files, last quarter", "", files),
	}, nil
}

func ended(platform *lab.Platform) int {
	n := 0
	for _, talk := range platform.Personas.Talks() {
		if talk.Ended {
			n++
		}
	}
	return n
}
