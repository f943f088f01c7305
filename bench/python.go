package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/parley-run/parley/bench/internal/figure"
	"github.com/parley-run/parley/bench/internal/lab"
)

// python holds the same conversations with our worker and with OneRun's Python SDK's, as
// many at once as each can, and kills each in the middle of some more.
func python(ctx context.Context, l *lab.Lab, o options) ([]figure.Row, error) {
	source, err := sourceRoot()
	if err != nil {
		return nil, err
	}
	p := plan{conversations: pick(o.quick, 10, 100), atOnce: 100, turns: 5, model: 500 * time.Millisecond, persona: 500 * time.Millisecond}
	start := map[string]func(*lab.Platform) (*lab.Process, error){
		"ours": func(platform *lab.Platform) (*lab.Process, error) {
			return l.StartWorker(ctx, lab.WorkerOptions{TaskQueue: platform.Name, Platform: platform, Model: p.model, Size: messageSize, MaxOpen: p.atOnce})
		},
		"python": func(platform *lab.Platform) (*lab.Process, error) {
			return l.StartPythonWorker(lab.WorkerOptions{Platform: platform, Model: p.model, Size: messageSize, MaxOpen: p.atOnce}, source)
		},
	}
	rates, waits, left := map[string]float64{}, map[string]float64{}, map[string]float64{}
	for _, name := range []string{"ours", "python"} {
		if rates[name], waits[name], err = compared(ctx, l, p, start[name]); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if left[name], err = leftAfterKill(ctx, l, p, start[name]); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	row := func(what, unit string, of map[string]float64, goal *figure.Goal) figure.Row {
		r := figure.Against("Python", []float64{of["ours"]}, []float64{of["python"]})
		r.Case, r.Unit, r.Goal = what, unit, goal
		return r
	}
	lost := row("not ended 3 minutes after a kill, of 40", "", left, nil)
	lost.Ratio = 0
	return []figure.Row{
		row(fmt.Sprintf("conversations of 5 turns, %d at once", p.conversations), "1/min", rates, figure.AtLeast(50)),
		row("pick-up, p50", "s", waits, nil),
		lost,
	}, nil
}

func compared(ctx context.Context, l *lab.Lab, p plan, start func(*lab.Platform) (*lab.Process, error)) (perMinute, wait float64, err error) {
	platform, err := l.NewPlatform(ctx, lab.PlatformOptions{Personas: p.personas()})
	if err != nil {
		return 0, 0, err
	}
	defer platform.Close()
	worker, err := start(platform)
	if err != nil {
		return 0, 0, err
	}
	defer worker.Stop()
	if err := platform.Polled(ctx, 2, worker.Ended); err != nil {
		return 0, 0, err
	}
	at, err := platform.Add(ctx, 1, p.conversations)
	if err != nil {
		return 0, 0, err
	}
	if err := platform.Personas.Await(ctx, lab.Ended(p.conversations), worker.Ended); err != nil {
		return 0, 0, err
	}
	talks := platform.Personas.Talks()
	var waits []float64
	for _, talk := range talks {
		waits = append(waits, talk.Opened.Sub(at).Seconds())
	}
	return float64(len(talks)) / span(talks).Minutes(), figure.Median(waits), nil
}

// leftAfterKill kills the worker while conversations are open, starts another, and counts
// those that do not go on. Ours may leave some whose message was about to be sent: they need
// attention, and say so.
func leftAfterKill(ctx context.Context, l *lab.Lab, p plan, start func(*lab.Platform) (*lab.Process, error)) (float64, error) {
	const conversations = 40
	platform, err := l.NewPlatform(ctx, lab.PlatformOptions{Personas: p.personas(), Simulations: 1, Conversations: conversations})
	if err != nil {
		return 0, err
	}
	defer platform.Close()
	worker, err := start(platform)
	if err != nil {
		return 0, err
	}
	if err := platform.Asked(ctx, 2*conversations, worker.Ended); err != nil {
		worker.Kill()
		return 0, err
	}
	worker.Kill()
	if worker, err = start(platform); err != nil {
		return 0, err
	}
	defer worker.Stop()
	// Until nothing has moved for a while: longer than an answer that was lost is looked for.
	last, since := -1, time.Now()
	for time.Since(since) < 3*time.Minute {
		if asked := platform.Personas.Asked(); asked != last {
			last, since = asked, time.Now()
		}
		if platform.Waiting() == 0 {
			break
		}
		if err := errors.Join(lab.Pause(ctx, 200*time.Millisecond), worker.Ended()); err != nil {
			return 0, err
		}
	}
	return float64(platform.Unfinished()), nil
}

// sourceRoot is the checkout: the Python side is run from its files.
func sourceRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(dir, "bench", "onerun_python", "serve.py")); err != nil {
		return "", fmt.Errorf("run it in the root of the checkout, as make bench does: %w", err)
	}
	return dir, nil
}
