//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"github.com/parley-run/parley/chaos/internal/account"
	"github.com/parley-run/parley/chaos/internal/check"
	"github.com/parley-run/parley/chaos/internal/export"
	"github.com/parley-run/parley/chaos/internal/load"
	"github.com/parley-run/parley/chaos/internal/mutant"
	"github.com/parley-run/parley/chaos/internal/plan"
	"github.com/parley-run/parley/chaos/internal/stack"
)

// A pass of new conversations begins this often.
const (
	passEvery = 30 * time.Second
	passSize  = 5
)

func run(ctx context.Context, o options, stdout, stderr io.Writer) error {
	if o.onlyPlan {
		return printPlan(stdout, o.plan())
	}
	report, err := perform(ctx, o, stderr)
	if err != nil {
		return err
	}
	return verdict(report, stdout)
}

func (o options) plan() plan.Plan {
	return plan.New(o.seed, time.Duration(o.minutes*float64(time.Minute)), o.workers, o.rates)
}

// perform carries out the plan, and has the checker read the accounts.
func perform(ctx context.Context, o options, stderr io.Writer) (*check.Report, error) {
	p := o.plan()
	dir, err := folder(o.dir)
	if err != nil {
		return nil, err
	}
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(stderr, format+"\n", args...) }
	say("seed %d, %v minutes, accounts in %s", o.seed, o.minutes, dir)
	s, err := prepare(ctx, o, dir)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if err := writePlan(filepath.Join(dir, "plan.txt"), p); err != nil {
		return nil, err
	}
	say("starting")
	s.Declare(p)
	if err := s.Start(ctx, p); err != nil {
		return nil, err
	}
	calm, err := drive(ctx, s, o, p, say)
	if err != nil {
		return nil, err
	}
	if !calm {
		say("there is still something to do, and for %v there was no progress", o.settle)
	}
	return read(dir)
}

// adoptAfter is the inbox's setting: every second seed has none.
func adoptAfter(seed uint64) time.Duration {
	if seed%2 == 1 {
		return 0
	}
	return time.Minute
}

func folder(dir string) (string, error) {
	if dir == "" {
		made, err := os.MkdirTemp("", "parley-chaos-")
		if err != nil {
			return "", fmt.Errorf("make a folder: %w", err)
		}
		return made, nil
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return "", fmt.Errorf("--dir %s: it is not empty", dir)
	}
	return dir, os.MkdirAll(dir, 0o700)
}

func prepare(ctx context.Context, o options, dir string) (*stack.Stack, error) {
	flags, err := mutant.Flags(o.mutant, dir)
	if err != nil {
		return nil, err
	}
	bin, err := stack.Build(ctx, dir, flags...)
	if err != nil {
		return nil, err
	}
	passes := max(1, int(math.Ceil(o.minutes*60/passEvery.Seconds())))
	return stack.New(stack.Options{
		Dir: dir, Bin: bin, Workers: o.workers, Seed: o.seed,
		Conversations: passes * passSize, PassSize: passSize, PassEvery: passEvery, MaxOpen: 10, AdoptAfter: adoptAfter(o.seed),
		DiskBytes: 64<<20 + int64(o.minutes*(8<<20)),
	})
}

// drive runs the load and the plan, lets everything come to rest, and exports what
// Temporal has. It reports whether everything came to rest.
func drive(ctx context.Context, s *stack.Stack, o options, p plan.Plan, say func(string, ...any)) (bool, error) {
	c, err := client.Dial(client.Options{HostPort: s.Addr["temporal"], Logger: silent{}})
	if err != nil {
		return false, fmt.Errorf("connect to Temporal: %w", err)
	}
	defer c.Close()
	l, err := newLoad(s, o, c)
	if err != nil {
		return false, err
	}
	defer func() { _ = errors.Join(l.Senders.Close(), l.Operators.Close(), l.Schedules.Close()) }()

	if err := l.Schedule(ctx, p.Duration); err != nil {
		return false, err
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	working, stop := context.WithCancel(ctx)
	defer stop()
	open, closing := context.WithTimeout(working, p.Duration)
	defer closing()
	wg.Go(func() { _ = s.Sample(working) })
	wg.Go(func() { l.Run(working, open, o.senders) })
	s.Note("begin")
	s.Run(ctx, p)
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	s.Note("heal")
	say("the faults are over; waiting until nothing is left to do")
	wg.Go(func() { s.Tend(working) })
	settling, cancel := context.WithTimeout(ctx, 5*o.settle)
	calm := l.Settle(settling, o.settle, s.Unclaimed)
	cancel()
	s.Note("end")
	if err := export.All(ctx, c, "default", s.Dir); err != nil {
		return calm, err
	}
	return calm, nil
}

func newLoad(s *stack.Stack, o options, c client.Client) (*load.Load, error) {
	senders, err := account.Open(s.Path("senders.jsonl"))
	if err != nil {
		return nil, err
	}
	operators, err := account.Open(s.Path("operators.jsonl"))
	if err != nil {
		return nil, err
	}
	schedules, err := account.Open(s.Path("schedules.jsonl"))
	if err != nil {
		return nil, err
	}
	return &load.Load{
		Starter: s.Bin.Starter, Dir: s.Dir, Seed: o.seed, Senders: senders, Operators: operators, Schedules: schedules,
		Pulse: load.Pulse{Addr: s.Addr["pulse"], Key: stack.Key},
		Env: []string{
			"PATH=" + os.Getenv("PATH"), "HOME=" + s.Dir, "TEMPORAL_ADDRESS=" + s.Addr["temporal"],
			"ONERUN_API_KEY=" + stack.Key, "PULSE_API_KEY=" + stack.Key, "MODEL_KEY=test-key",
		},
		Temporal: load.Temporal{Client: c, Namespace: "default"}, AdoptAfter: s.AdoptAfter,
	}, nil
}

// judge has the checker read the folder of an earlier run.
func judge(dir string, stdout io.Writer) error {
	report, err := read(dir)
	if err != nil {
		return err
	}
	return verdict(report, stdout)
}

func read(dir string) (*check.Report, error) {
	accounts, err := check.Read(dir)
	if err != nil {
		return nil, err
	}
	report := check.Check(accounts)
	report.Folder = dir
	return report, nil
}

func verdict(report *check.Report, stdout io.Writer) error {
	report.Print(stdout)
	if n := len(report.Violations); n > 0 {
		return fmt.Errorf("%d violations; accounts and logs are in %s", n, report.Folder)
	}
	return nil
}

func writePlan(path string, p plan.Plan) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	return errors.Join(printPlan(f, p), f.Close())
}

func printPlan(w io.Writer, p plan.Plan) error {
	_, err := fmt.Fprintf(w, "seed %d, %s\n", p.Seed, p.Duration)
	for _, f := range p.Faults {
		_, err = fmt.Fprintln(w, f)
	}
	for i, aims := range p.Aims {
		for life, a := range aims {
			_, err = fmt.Fprintf(w, "process %d of worker-%d: %s right before effect %s number %d, for %s\n",
				life+1, i, a.Act, a.Effect, a.Nth, a.For.Round(time.Millisecond))
		}
	}
	return err
}

// silent keeps the SDK from writing while the server is down, as planned.
type silent struct{}

var _ log.Logger = silent{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}
