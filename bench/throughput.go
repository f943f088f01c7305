package main

import (
	"context"
	"time"

	"github.com/parley-run/parley/bench/internal/figure"
	"github.com/parley-run/parley/bench/internal/lab"
)

// throughput holds as many conversations as the server can.
func throughput(ctx context.Context, l *lab.Lab, o options) ([]figure.Row, error) {
	p := plan{conversations: pick(o.quick, 20, 200), atOnce: 50, turns: 5}
	rates := map[string][]float64{}
	warm := pick(o.quick, 0, 1) // rounds that do not count
	for round := range warm + o.rounds {
		for _, one := range order(round) {
			talks, err := one.hold(ctx, l, p)
			if err != nil {
				return nil, err
			}
			if round >= warm {
				rates[one.name] = append(rates[one.name], float64(len(talks))/span(talks).Seconds())
			}
		}
	}
	conversations := figure.Against("bare", rates["ours"], rates["bare"])
	conversations.Case, conversations.Unit, conversations.Goal = "conversations of 5 turns", "1/s", figure.AtLeast(0.95)
	turns := conversations
	turns.Case, turns.Value, turns.Other = "turns", turns.Value*float64(p.turns), turns.Other*float64(p.turns)
	return []figure.Row{conversations, turns}, nil
}

type contender struct {
	name string
	hold way
}

// order alternates who goes first.
func order(round int) []contender {
	out := []contender{{"ours", ours}, {"bare", barely}}
	if round%2 == 1 {
		out[0], out[1] = out[1], out[0]
	}
	return out
}

// span is from the first message of all to the last.
func span(talks []lab.Talk) time.Duration {
	var first, last time.Time
	for _, talk := range talks {
		if first.IsZero() || talk.Opened.Before(first) {
			first = talk.Opened
		}
		for _, turn := range talk.Turns {
			if turn.Came.After(last) {
				last = turn.Came
			}
		}
	}
	return last.Sub(first)
}
