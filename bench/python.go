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
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/pause"
)

// A side is one of the workers that are compared.
type side struct {
	start func(*lab.Platform) (*lab.Process, error)
	// parked finds what waits for an operator. Nil: nothing can.
	parked func(context.Context, conversation.Ref) (string, error)
}

// A kill is the moment at which a worker is killed: when its conversations have asked
// for so many answers.
type kill struct {
	when  string
	asked int
}

// killed is how many conversations a worker has that is killed.
const killed = 40

// kills are in the burst of first messages, and when half of all answers have been asked
// for.
func kills(turns int) []kill {
	return []kill{{"as they open", killed / 2}, {"in the middle", killed * (turns + 1) / 2}}
}

// python holds the same conversations with our worker and with OneRun's Python SDK's, as
// many at once as each can, and kills each while it has some more.
func python(ctx context.Context, l *lab.Lab, o options) ([]figure.Row, error) {
	source, err := sourceRoot()
	if err != nil {
		return nil, err
	}
	p := plan{conversations: pick(o.quick, 10, 100), atOnce: 100, turns: 5, model: 500 * time.Millisecond, persona: 500 * time.Millisecond}
	ours := side{
		start: func(platform *lab.Platform) (*lab.Process, error) {
			return l.StartWorker(ctx, lab.WorkerOptions{TaskQueue: platform.Name, Platform: platform, Model: p.model, Size: messageSize, MaxOpen: p.atOnce})
		},
		parked: l.Ambiguous,
	}
	theirs := side{start: func(platform *lab.Platform) (*lab.Process, error) {
		return l.StartPythonWorker(lab.WorkerOptions{Platform: platform, Model: p.model, Size: messageSize, MaxOpen: p.atOnce}, source)
	}}
	rate, wait, err := compared(ctx, l, p, ours)
	if err != nil {
		return nil, fmt.Errorf("ours: %w", err)
	}
	theirRate, theirWait, err := compared(ctx, l, p, theirs)
	if err != nil {
		return nil, fmt.Errorf("python: %w", err)
	}
	row := func(what, unit string, value, other float64, goal *figure.Goal) figure.Row {
		r := figure.Against("Python", []float64{value}, []float64{other})
		r.Case, r.Unit, r.Goal = what, unit, goal
		return r
	}
	rows := []figure.Row{
		row(fmt.Sprintf("conversations of 5 turns, %d at once", p.conversations), "1/min", rate, theirRate, figure.AtLeast(50)),
		row("pick-up, p50", "s", wait, theirWait, nil),
	}
	for _, k := range kills(p.turns) {
		mine, err := leftAfterKill(ctx, l, p, ours, k)
		if err != nil {
			return rows, fmt.Errorf("ours: %w", err)
		}
		other, err := leftAfterKill(ctx, l, p, theirs, k)
		if err != nil {
			return rows, fmt.Errorf("python: %w", err)
		}
		rows = append(rows, leftRows(k, mine, other)...)
	}
	return rows, nil
}

// left is what a kill leaves of the conversations: those that wait for an operator, since
// it is not known whether a message was delivered, and those that do not go on and say
// nothing.
type left struct{ waiting, lost int }

func leftRows(k kill, ours, theirs left) []figure.Row {
	row := func(what string, value, other int, goal *figure.Goal) figure.Row {
		return figure.Row{
			Case: fmt.Sprintf("%s after a kill %s, of %d", what, k.when, killed), With: "Python",
			Value: float64(value), Other: float64(other), Goal: goal,
		}
	}
	return []figure.Row{
		row("lost", ours.lost, theirs.lost, figure.Count(0)),
		row("wait for an operator", ours.waiting, theirs.waiting, nil),
	}
}

func compared(ctx context.Context, l *lab.Lab, p plan, of side) (perMinute, wait float64, err error) {
	platform, err := l.NewPlatform(ctx, lab.PlatformOptions{Personas: p.personas()})
	if err != nil {
		return 0, 0, err
	}
	defer platform.Close()
	worker, err := of.start(platform)
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

// patience is how long nothing must have moved until what is left counts as lost: longer
// than our worker looks for a message whose answer was lost.
const patience = 3 * time.Minute

// leftAfterKill kills a worker while it has conversations, starts another, and counts
// those that do not go on.
func leftAfterKill(ctx context.Context, l *lab.Lab, p plan, of side, k kill) (left, error) {
	platform, err := l.NewPlatform(ctx, lab.PlatformOptions{Personas: p.personas(), Simulations: 1, Conversations: killed})
	if err != nil {
		return left{}, err
	}
	defer platform.Close()
	worker, err := of.start(platform)
	if err != nil {
		return left{}, err
	}
	err = platform.Asked(ctx, k.asked, worker.Ended)
	worker.Kill()
	if err != nil {
		return left{}, err
	}
	if worker, err = of.start(platform); err != nil {
		return left{}, err
	}
	defer worker.Stop()
	last, since := -1, time.Now()
	for {
		open := platform.Open()
		if asked := platform.Personas.Asked(); asked != last {
			last, since = asked, time.Now()
		}
		quiet := time.Since(since)
		if len(open) == 0 {
			return left{}, nil
		}
		if quiet > 5*time.Second {
			found, err := sorted(ctx, l, of, open, quiet > patience)
			if err != nil || found.lost == 0 || quiet > patience {
				return found, err
			}
		}
		if err := errors.Join(pause.For(ctx, time.Second), worker.Ended()); err != nil {
			return left{}, err
		}
	}
}

// sorted tells the conversations that wait for an operator from the others, and writes
// why in the end.
func sorted(ctx context.Context, l *lab.Lab, of side, open []conversation.Ref, final bool) (left, error) {
	var out left
	var lines []string
	for _, ref := range open {
		reason := ""
		if of.parked != nil {
			var err error
			if reason, err = of.parked(ctx, ref); err != nil && final { // before, it is asked again
				return out, err
			}
		}
		if reason == "" {
			out.lost++
			lines = append(lines, fmt.Sprintf("%s is lost", ref))
			continue
		}
		out.waiting++
		lines = append(lines, fmt.Sprintf("%s waits for an operator: %s", ref, reason))
	}
	if final || out.lost == 0 {
		for _, line := range lines {
			_, _ = fmt.Fprintln(l.Out, line)
		}
	}
	return out, nil
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
