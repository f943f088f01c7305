package main

import (
	"context"
	"fmt"

	"go.temporal.io/api/history/v1"

	"github.com/parley-run/parley/bench/internal/cost"
	"github.com/parley-run/parley/bench/internal/figure"
	"github.com/parley-run/parley/bench/internal/lab"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/workflows"
)

// bounds are what a conversation with persona, one reply and one exchange a turn, and
// messages of 300 bytes, may cost. They are what it costs, rounded up a little: bytes vary
// with the lengths of names, and workflow tasks of activities that end together merge.
var bounds = map[int]struct{ transitions, events, kibibytes, actions float64 }{
	5:   {transitions: 42, events: 84, kibibytes: 27, actions: 17},
	100: {transitions: 620, events: 1230, kibibytes: 400, actions: 209},
}

// counts counts conversations, one at a time. The bare workflow has the same activities.
func counts(ctx context.Context, l *lab.Lab, o options) ([]figure.Row, error) {
	var rows []figure.Row
	for _, turns := range pick(o.quick, []int{5, 100}, []int{5, 100, 900}) {
		p := plan{conversations: 1, atOnce: 1, turns: turns}
		mine, events, err := count(ctx, l, p)
		if err != nil {
			return rows, err
		}
		other, err := countBare(ctx, l, p)
		if err != nil {
			return rows, err
		}
		bound, bounded := bounds[turns]
		row := func(what, unit string, value, other, limit float64) {
			r := figure.Row{Case: fmt.Sprintf("%s, %d turns", what, turns), Unit: unit, Value: value, Other: other, With: "bare"}
			if bounded && limit > 0 {
				r.Goal = figure.Count(limit)
			}
			rows = append(rows, r)
		}
		row("activities", "", float64(mine.Activities), float64(other.Activities), 0)
		row("state transitions", "", float64(mine.Transitions), float64(other.Transitions), bound.transitions)
		row("events", "", float64(mine.Events), float64(other.Events), bound.events)
		row("history", "KiB", float64(mine.Bytes)/1024, float64(other.Bytes)/1024, bound.kibibytes)
		row("actions, heartbeats included", "", float64(mine.Actions), float64(other.Actions), bound.actions)
		if turns < 100 {
			continue
		}
		early, late := turns/10, turns-turns/10
		of, err := growth(events, early, late)
		if err != nil {
			return rows, err
		}
		rows = append(rows, of...)
	}
	return rows, nil
}

// growth compares a turn late in a conversation with an early one.
func growth(events []*history.HistoryEvent, early, late int) ([]figure.Row, error) {
	const sample = 5
	first, err := cost.Turns(events, early, early+sample)
	if err != nil {
		return nil, err
	}
	last, err := cost.Turns(events, late, late+sample)
	if err != nil {
		return nil, err
	}
	with := fmt.Sprintf("at turn %d", early)
	row := func(what, unit string, value, other float64) figure.Row {
		r := figure.Against(with, []float64{value}, []float64{other})
		r.Case, r.Unit = fmt.Sprintf("%s of turn %d", what, late), unit
		r.Goal = figure.Count(1.1)
		return r
	}
	return []figure.Row{
		row("events", "", last.Events, first.Events),
		row("bytes", "", last.Bytes, first.Bytes),
		row("actions", "", last.Actions, first.Actions),
	}, nil
}

func count(ctx context.Context, l *lab.Lab, p plan) (cost.Cost, []*history.HistoryEvent, error) {
	platform, err := l.NewPlatform(ctx, lab.PlatformOptions{Personas: p.personas(), Simulations: 1, Conversations: 1})
	if err != nil {
		return cost.Cost{}, nil, err
	}
	defer platform.Close()
	refs, err := platform.Queued(ctx)
	if err != nil {
		return cost.Cost{}, nil, err
	}
	worker, err := l.StartWorker(ctx, lab.WorkerOptions{Platform: platform, Size: messageSize, MaxOpen: 1, NoInbox: true, TaskQueue: platform.Name})
	if err != nil {
		return cost.Cost{}, nil, err
	}
	defer worker.Stop()
	launcher := launch.Launcher{Client: l.Client, TaskQueue: platform.Name}
	in := workflows.ConversationInput{Ref: refs[0], Side: workflows.SidePlatform, Policy: conversation.Policy{Executor: lab.Executor}}
	if _, err := launcher.Conversation(ctx, launch.Conversation{Input: in}); err != nil {
		return cost.Cost{}, nil, err
	}
	if err := platform.Personas.Await(ctx, lab.Ended(1), worker.Ended); err != nil {
		return cost.Cost{}, nil, err
	}
	id := workflows.ConversationID(refs[0])
	if err := l.Client.GetWorkflow(ctx, id, "").Get(ctx, nil); err != nil {
		return cost.Cost{}, nil, fmt.Errorf("%s: %w", id, err)
	}
	beats, err := worker.Heartbeats(ctx)
	if err != nil {
		return cost.Cost{}, nil, err
	}
	total, events, err := cost.Of(ctx, l.Client, id)
	total.Actions += beats
	return total, events, err
}

func countBare(ctx context.Context, l *lab.Lab, p plan) (cost.Cost, error) {
	platform, err := l.NewPlatform(ctx, lab.PlatformOptions{Personas: p.personas(), Simulations: 1, Conversations: 1})
	if err != nil {
		return cost.Cost{}, err
	}
	defer platform.Close()
	queue := l.Name("bare-queue")
	worker, err := l.StartBareWorker(lab.BareOptions{TaskQueue: queue, Platform: platform, Size: messageSize})
	if err != nil {
		return cost.Cost{}, err
	}
	defer worker.Stop()
	refs, err := platform.Queued(ctx)
	if err != nil {
		return cost.Cost{}, err
	}
	if err := bareConversation(ctx, l, queue, refs[0]); err != nil {
		return cost.Cost{}, err
	}
	total, _, err := cost.Of(ctx, l.Client, bareID(queue, refs[0]))
	return total, err
}
