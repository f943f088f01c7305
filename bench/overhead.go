package main

import (
	"context"
	"fmt"
	"time"

	"github.com/parley-run/parley/bench/internal/figure"
	"github.com/parley-run/parley/bench/internal/lab"
)

// offered is how many turns a second begin, whatever number of conversations is open: far
// less than a local server can do, so that turns do not wait for each other.
const offered = 8

// overhead measures, where the personas are, the time from a persona's answer to the
// agent's next message, less the model's time.
func overhead(ctx context.Context, l *lab.Lab, o options) ([]figure.Row, error) {
	var rows []figure.Row
	for _, open := range o.open {
		pace := time.Duration(open) * time.Second / offered
		p := plan{conversations: open, atOnce: open, turns: turnsOf(open, o), model: pace / 2, persona: pace / 2, spread: pace}
		found := map[string]map[float64][]float64{"ours": {}, "bare": {}}
		rounds := o.rounds
		if open >= 1000 { // each takes minutes
			rounds = min(rounds, 2)
		}
		for round := range rounds {
			for _, one := range order(round) {
				talks, err := one.hold(ctx, l, p)
				if err != nil {
					return rows, err
				}
				taken := overheads(talks, p)
				for _, percent := range percentiles {
					found[one.name][percent] = append(found[one.name][percent], figure.Percentile(taken, percent))
				}
			}
		}
		for _, percent := range percentiles {
			row := figure.Against("bare", found["ours"][percent], found["bare"][percent])
			row.Case, row.Unit = fmt.Sprintf("p%.0f, %d open", 100*percent, open), "ms"
			if percent == 0.5 {
				row.Goal = figure.AtMost(1.05)
			}
			rows = append(rows, row)
		}
		if !o.quick {
			_ = figure.Print(l.Out, rows[len(rows)-len(percentiles):])
		}
	}
	return rows, nil
}

// turnsOf is enough turns for the percentiles, and few enough to end in minutes.
func turnsOf(open int, o options) int {
	if open >= 1000 {
		return 3
	}
	return max(pick(o.quick, 3, 6), pick(o.quick, 12, 120)/open)
}

var percentiles = []float64{0.5, 0.95, 0.99}

// overheads are the milliseconds of every turn but each conversation's first, which may
// wait for a connection.
func overheads(talks []lab.Talk, p plan) []float64 {
	var out []float64
	for _, talk := range talks {
		for _, turn := range talk.Turns[min(1, len(talk.Turns)):] {
			if !turn.Came.IsZero() {
				out = append(out, float64(turn.Came.Sub(turn.Said)-p.model)/float64(time.Millisecond))
			}
		}
	}
	return out
}
