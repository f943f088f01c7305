package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"github.com/parley-run/parley/bench/internal/bare"
	"github.com/parley-run/parley/bench/internal/lab"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/process"
)

// messageSize is the length of every message in bytes.
const messageSize = 300

// A plan is a number of conversations to hold.
type plan struct {
	conversations int
	atOnce        int
	turns         int
	model         time.Duration
	persona       time.Duration
	// spread delays the first messages, evenly.
	spread time.Duration
}

// A way holds the conversations of a plan.
type way func(ctx context.Context, l *lab.Lab, p plan) ([]lab.Talk, error)

func (p plan) personas() *lab.Personas {
	return &lab.Personas{Turns: p.turns, Think: p.persona, Spread: p.spread, Size: messageSize}
}

// activities is how many run at once: one in each conversation that is open, and a few more.
func (p plan) activities() int { return max(process.DefaultMaxActivities, p.atOnce+100) }

// ours holds them as a worker of ours does.
func ours(ctx context.Context, l *lab.Lab, p plan) ([]lab.Talk, error) {
	platform, err := l.NewPlatform(ctx, lab.PlatformOptions{Personas: p.personas(), Simulations: 1, Conversations: p.conversations})
	if err != nil {
		return nil, err
	}
	defer platform.Close()
	worker, err := l.StartWorker(ctx, lab.WorkerOptions{Platform: platform, Model: p.model, Size: messageSize, MaxOpen: p.atOnce, MaxActivities: p.activities()})
	if err != nil {
		return nil, err
	}
	defer worker.Stop()
	err = platform.Personas.Await(ctx, lab.Ended(p.conversations), worker.Ended)
	return platform.Personas.Talks(), err
}

// barely holds them with bare workflows.
func barely(ctx context.Context, l *lab.Lab, p plan) ([]lab.Talk, error) {
	platform, err := l.NewPlatform(ctx, lab.PlatformOptions{Personas: p.personas(), Simulations: 1, Conversations: p.conversations})
	if err != nil {
		return nil, err
	}
	defer platform.Close()
	queue := l.Name("bare-queue")
	worker, err := l.StartBareWorker(lab.BareOptions{TaskQueue: queue, Platform: platform, Model: p.model, Size: messageSize, MaxActivities: p.activities()})
	if err != nil {
		return nil, err
	}
	defer worker.Stop()
	refs, err := platform.Queued(ctx)
	if err != nil {
		return nil, err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(p.atOnce)
	for _, ref := range refs {
		group.Go(func() error { return bareConversation(ctx, l, queue, ref) })
	}
	err = errors.Join(group.Wait(), worker.Ended())
	return platform.Personas.Talks(), err
}

func bareConversation(ctx context.Context, l *lab.Lab, queue string, ref conversation.Ref) error {
	run, err := l.Client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: bareID(queue, ref), TaskQueue: queue}, bare.Name, ref)
	if err != nil {
		return fmt.Errorf("bare workflow: %w", err)
	}
	return run.Get(ctx, nil)
}

func bareID(queue string, ref conversation.Ref) string { return queue + "/" + ref.String() }
