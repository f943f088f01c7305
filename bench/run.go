package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/parley-run/parley/bench/internal/figure"
	"github.com/parley-run/parley/bench/internal/lab"
)

type options struct {
	quick  bool
	only   []string
	rounds int
	open   []int
	load   time.Duration
	output string
	dir    string
}

func (o options) withDefaults() options {
	o.rounds = cmp.Or(o.rounds, pick(o.quick, 2, 5))
	o.load = cmp.Or(o.load, pick(o.quick, 20*time.Second, time.Hour))
	if len(o.open) == 0 {
		o.open = pick(o.quick, []int{1, 10}, []int{1, 10, 100, 1000})
	}
	return o
}

// pick is the short or the full form of a setting.
func pick[T any](quick bool, short, full T) T {
	if quick {
		return short
	}
	return full
}

// A section measures one thing.
type section struct {
	name  string
	title string
	run   func(context.Context, *lab.Lab, options) ([]figure.Row, error)
	// slow sections are left out by --quick, unless --only names them.
	slow bool
	// waits: it waits most of the time, and counts or samples what belongs to it alone.
	// --quick, where times are not judged, runs neighbours of this kind at the same time.
	waits bool
}

func sections() []section {
	return []section{
		{name: "counts", title: "What a conversation costs a Temporal server", run: counts},
		{name: "throughput", title: "Conversations without a pause, 50 at once", run: throughput},
		{name: "overhead", title: "Time of a turn that is neither the model's nor the persona's", run: overhead},
		{name: "pickup", title: "From a new conversation to its first message", run: pickup, waits: true},
		{name: "requests", title: "Requests to a platform where nothing happens", run: requests, waits: true},
		{name: "python", title: "Beside the worker of OneRun's Python SDK", run: python, slow: true},
		{name: "idle", title: "Open direct conversations that wait", run: idle, slow: true},
		{name: "load", title: "A worker under load", run: load, waits: true},
	}
}

func names() []string {
	var out []string
	for _, s := range sections() {
		out = append(out, s.name)
	}
	return out
}

// measure runs the sections. After an error it returns what it has.
func measure(ctx context.Context, o options, progress io.Writer) (out report, err error) {
	out = report{Machine: machine(), Quick: o.quick, Rounds: o.rounds}
	dir := o.dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "parley-bench-"); err != nil {
			return out, err
		}
		defer func() {
			if err != nil && ctx.Err() == nil {
				_, _ = fmt.Fprintf(progress, "configurations and logs are in %s\n", dir)
				return
			}
			_ = os.RemoveAll(dir)
		}()
	} else if err := os.MkdirAll(dir, 0o750); err != nil {
		return out, err
	}
	l, err := lab.New(ctx, dir, progress)
	if err != nil {
		return out, err
	}
	defer l.Close()
	out.Server = l.Stack.Server
	for chosen := o.sections(); len(chosen) > 0; {
		n := o.together(chosen)
		rows, err := runAtOnce(ctx, l, o, chosen[:n])
		out.Rows = append(out.Rows, rows...)
		if err != nil {
			return out, err
		}
		chosen = chosen[n:]
	}
	return out, nil
}

// sections are those that are to run.
func (o options) sections() []section {
	return slices.DeleteFunc(sections(), func(s section) bool {
		if len(o.only) > 0 {
			return !slices.Contains(o.only, s.name)
		}
		return o.quick && s.slow
	})
}

// together is how many of the first sections run at the same time.
func (o options) together(chosen []section) int {
	if !o.quick {
		return 1
	}
	n := slices.IndexFunc(chosen, func(s section) bool { return !s.waits })
	if n < 0 {
		n = len(chosen)
	}
	return max(1, n)
}

// runAtOnce runs sections at the same time and returns their rows in order.
func runAtOnce(ctx context.Context, l *lab.Lab, o options, at []section) ([]figure.Row, error) {
	found := make([][]figure.Row, len(at))
	group, ctx := errgroup.WithContext(ctx)
	for i, s := range at {
		group.Go(func() error {
			began := time.Now()
			_, _ = fmt.Fprintf(l.Out, "%s: %s\n", s.name, s.title)
			rows, err := s.run(ctx, l, o)
			for i := range rows {
				rows[i].Section = s.title
			}
			found[i] = rows
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			_, _ = fmt.Fprintf(l.Out, "%s: %s\n", s.name, time.Since(began).Round(time.Second))
			if !o.quick { // a full run takes hours: it shows what it has
				_ = figure.Print(l.Out, rows)
			}
			return nil
		})
	}
	err := group.Wait()
	return slices.Concat(found...), err
}
