//go:build unix

// Command chaos runs Parley's real programs under a seeded plan of faults, and has an
// independent checker say what went wrong. See docs/reliability.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/parley-run/parley/chaos/internal/peers"
	"github.com/parley-run/parley/chaos/internal/plan"
)

const help = `chaos runs Temporal, the simulator, a model, a tool server and workers as processes,
kills, freezes and cuts them off by a plan, and checks what all of them have seen.

Usage: chaos [flags]
       chaos check FOLDER    checks the accounts of an earlier run again
       chaos mutants [NAME…] [flags]
                             runs workers with each deliberate fault, and fails if the
                             checker does not find it

  --minutes N       how long faults happen (default 3)
  --seed N          of the plan, personas, senders and operators (default: by the clock)
  --workers N       how many workers (default 3)
  --senders N       how many clients send direct messages (default 2)
  --settle TIME     how long there may be no progress afterwards, until nothing is left
                    to do (default 4m)
  --dir FOLDER      where to keep programs, logs and accounts (default: a new one)
  --mutant NAME     give the workers a deliberate fault, which the checker must find:
                    resend, tools, payments, claims, direct, lost
  --only KINDS      only faults of these kinds, such as kill,freeze; see the plan for
                    their names, and "aimed" for those right before an effect
  --rate N          N times as many faults as usual
  --plan            print the plan and stop

Exit codes: 0 no violation, 1 violations or a failure, 2 the command line is wrong.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	var usage usageError
	switch {
	case err == nil:
	case errors.As(err, &usage):
		fmt.Fprintf(os.Stderr, "chaos: %v\n", err)
		os.Exit(2)
	default:
		fmt.Fprintf(os.Stderr, "chaos: %v\n", err)
		os.Exit(1)
	}
}

type usageError struct{ error }

// command is the whole program.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	switch {
	case len(args) == 4 && args[0] == "peer":
		return peers.Serve(ctx, args[1], args[2], args[3])
	case len(args) == 2 && args[0] == "check":
		return judge(args[1], stdout)
	case len(args) > 0 && args[0] == "mutants":
		return mutants(ctx, args[1:], stdout, stderr)
	}
	o, err := parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, err = io.WriteString(stdout, help)
		return err
	case err != nil:
		return usageError{err}
	}
	return run(ctx, o, stdout, stderr)
}

// options are the command line.
type options struct {
	minutes          float64
	seed             uint64
	workers, senders int
	settle           time.Duration
	dir, mutant      string
	rates            plan.Rates
	onlyPlan         bool
}

func parse(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("chaos", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Float64Var(&o.minutes, "minutes", 3, "")
	f.Uint64Var(&o.seed, "seed", 0, "")
	f.IntVar(&o.workers, "workers", 3, "")
	f.IntVar(&o.senders, "senders", 2, "")
	f.DurationVar(&o.settle, "settle", 4*time.Minute, "")
	f.StringVar(&o.dir, "dir", "", "")
	f.StringVar(&o.mutant, "mutant", "", "")
	only := f.String("only", "", "")
	rate := f.Float64("rate", 1, "")
	f.BoolVar(&o.onlyPlan, "plan", false, "")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q; chaos --help lists the flags", f.Arg(0))
	case o.minutes < 0.5 || o.minutes > 24*60:
		return o, fmt.Errorf("--minutes %v: use a number from 0.5 to 1440", o.minutes)
	case o.workers < 1 || o.workers > 9:
		return o, fmt.Errorf("--workers %d: use a number from 1 to 9", o.workers)
	case *rate <= 0 || *rate > 100:
		return o, fmt.Errorf("--rate %v: use a number above 0, up to 100", *rate)
	case o.senders < 0 || o.senders > 20:
		return o, fmt.Errorf("--senders %d: use a number from 0 to 20", o.senders)
	}
	o.rates = plan.Default()
	if *only != "" {
		var kinds []plan.Kind
		for name := range strings.SplitSeq(*only, ",") {
			kinds = append(kinds, plan.Kind(strings.TrimSpace(name)))
		}
		var err error
		if o.rates, err = plan.Only(kinds); err != nil {
			return o, fmt.Errorf("--only: %w", err)
		}
	}
	o.rates = o.rates.Times(*rate)
	if o.seed == 0 {
		o.seed = uint64(time.Now().Unix()) % 1_000_000
	}
	return o, nil
}
