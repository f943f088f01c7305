package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/parley-run/parley/bench/internal/figure"
	"github.com/parley-run/parley/bench/internal/lab"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/pause"
	"github.com/parley-run/parley/workflows"
)

// idle opens direct conversations, which wait for their clients, on a worker that keeps a
// tenth of them in memory.
func idle(ctx context.Context, l *lab.Lab, o options) ([]figure.Row, error) {
	open := pick(o.quick, 1000, 10_000)
	kept := open / 10
	watched := pick(o.quick, 5*time.Second, time.Minute)
	queue := l.Name("idle")
	start := func() (*lab.Process, error) {
		return l.StartWorker(ctx, lab.WorkerOptions{TaskQueue: queue, Size: messageSize, StickyCache: kept})
	}
	worker, err := start()
	if err != nil {
		return nil, err
	}
	defer func() { worker.Stop() }()
	say := func(i int, message string) error {
		return send(ctx, l, queue, i, message)
	}
	// The cache is full before it is measured.
	if err := each(kept+kept/10, func(i int) error { return say(i, "m1") }); err != nil {
		return nil, err
	}
	full, err := settled(ctx, worker.PID)
	if err != nil {
		return nil, err
	}
	if err := each(open-kept-kept/10, func(i int) error { return say(kept+kept/10+i, "m1") }); err != nil {
		return nil, err
	}
	all, err := settled(ctx, worker.PID)
	if err != nil {
		return nil, err
	}
	rows := []figure.Row{{
		Case: fmt.Sprintf("worker's memory for each beyond the %d in its cache, of %d", kept, open), Unit: "KiB",
		Value: float64(all.RSS-full.RSS) / float64(open-kept-kept/10) / 1024, Goal: figure.AtMost(10),
	}, {
		Case: fmt.Sprintf("worker's memory with %d open", open), Unit: "MiB", Value: float64(all.RSS) / (1 << 20),
	}}
	quiet, err := busy(ctx, l, worker, watched, func() error { return nil })
	if err != nil {
		return rows, err
	}
	talking, err := busy(ctx, l, worker, watched, func() error {
		return each(open/100, func(i int) error { return say(i*100, "m2") })
	})
	if err != nil {
		return rows, err
	}
	rows = append(rows, quiet.rows("all waiting")...)
	rows = append(rows, talking.rows("one in a hundred talks once")...)

	worker.Stop()
	began := time.Now()
	if worker, err = start(); err != nil {
		return rows, err
	}
	if err := say(open-1, "m2"); err != nil {
		return rows, err
	}
	return append(rows, figure.Row{Case: "from the start of a new worker to its first reply", Unit: "s", Value: time.Since(began).Seconds()}), nil
}

func send(ctx context.Context, l *lab.Lab, queue string, i int, message string) error {
	launcher := launch.Launcher{Client: l.Client, TaskQueue: queue}
	in := workflows.ConversationInput{
		Ref:    launch.DirectRef(queue, fmt.Sprintf("idle-%05d", i)),
		Policy: conversation.Policy{Executor: lab.Executor}, IdleTimeout: 24 * time.Hour,
	}
	_, err := launcher.Send(ctx, launch.Direct{Open: true, Input: in}, workflows.SendRequest{ID: message, Text: "Where is my order?"})
	return err
}

func each(n int, do func(i int) error) error {
	var group errgroup.Group
	group.SetLimit(50)
	for i := range n {
		group.Go(func() error { return do(i) })
	}
	return group.Wait()
}

// settled is what a process uses once its garbage has been collected: the least of some
// seconds.
func settled(ctx context.Context, pid int) (lab.Usage, error) {
	least, err := lab.UsageOf(pid)
	for range 20 {
		if err != nil {
			return least, err
		}
		if err := pause.For(ctx, 500*time.Millisecond); err != nil {
			return least, err
		}
		var now lab.Usage
		if now, err = lab.UsageOf(pid); err == nil && now.RSS < least.RSS {
			least = now
		}
	}
	return least, err
}

// A coreShare is the share of a core that the worker and the server took.
type coreShare struct{ worker, server float64 }

func (s coreShare) rows(when string) []figure.Row {
	return []figure.Row{
		{Case: "worker's processor, " + when, Unit: "% of a core", Value: 100 * s.worker},
		{Case: "server's processor, " + when, Unit: "% of a core", Value: 100 * s.server},
	}
}

func busy(ctx context.Context, l *lab.Lab, worker *lab.Process, during time.Duration, work func() error) (coreShare, error) {
	var s coreShare
	w0, err := lab.UsageOf(worker.PID)
	if err != nil {
		return s, err
	}
	s0, err := lab.UsageOf(l.Stack.PID())
	if err != nil {
		return s, err
	}
	began := time.Now()
	if err := work(); err != nil {
		return s, err
	}
	if err := pause.For(ctx, during-time.Since(began)); err != nil {
		return s, err
	}
	w1, err := lab.UsageOf(worker.PID)
	if err != nil {
		return s, err
	}
	s1, err := lab.UsageOf(l.Stack.PID())
	took := time.Since(began).Seconds()
	return coreShare{(w1.CPU - w0.CPU).Seconds() / took, (s1.CPU - s0.CPU).Seconds() / took}, err
}
