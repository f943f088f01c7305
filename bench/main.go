package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/parley-run/parley/bench/internal/bare"
	"github.com/parley-run/parley/bench/internal/figure"
	"github.com/parley-run/parley/bench/internal/lab"
	"github.com/parley-run/parley/internal/interrupt"
)

const usage = `Usage: make bench ARGS="[flags]"

Measures conversations of Parley, of a bare Temporal workflow with the same
activities, and of the worker of OneRun's Python SDK, on one local Temporal
server and one simulator, and prints a table.

Flags:
  --quick            short forms of the sections that need few minutes; counts only are judged
  --only NAMES       some of: %s
  --rounds N         how often to measure what is compared, in alternating order (5; quick: 2)
  --open NUMBERS     how many conversations are open in the section "overhead" (1,10,100,1000; quick: 1,10)
  --output FORMAT    text or json (text)
  --load DURATION    how long the section "load" lasts (1h; quick: 20s)
  --dir DIR          keep configurations and logs there (a temporary directory, removed unless the run fails)

Exit codes: 0, also where a goal for times is missed; 1 it failed, or a count is above
its bound; 2 the command line is wrong.
`

func main() {
	if len(os.Args) > 1 && os.Args[1] == lab.BareCommand {
		if err := bare.Main(os.Args[2:]); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	ctx, _ := interrupt.Context(context.Background())
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		_, _ = fmt.Fprintf(stdout, usage, strings.Join(names(), ", "))
		return 0
	case err != nil:
		_, _ = fmt.Fprintf(stderr, "bench: %v (--help lists what there is)\n", err)
		return 2
	}
	report, err := measure(ctx, o, stderr)
	if len(report.Rows) > 0 {
		if err := report.write(stdout, o.output); err != nil {
			_, _ = fmt.Fprintf(stderr, "bench: %v\n", err)
			return 1
		}
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "bench: %v\n", err)
		return 1
	}
	missed := figure.Missed(report.Rows)
	for _, row := range missed {
		_, _ = fmt.Fprintf(stderr, "bench: %s: %s: %s, and at most %s are allowed: find what has become dearer, or change the bound in bench\n",
			row.Section, row.Case, figure.Number(row.Value), figure.Number(row.Goal.AtMost))
	}
	if len(missed) > 0 {
		return 1
	}
	return 0
}

func parse(args []string) (options, error) {
	o := options{}
	f := pflag.NewFlagSet("bench", pflag.ContinueOnError)
	f.Usage = func() {}
	f.BoolVar(&o.quick, "quick", false, "")
	f.StringSliceVar(&o.only, "only", nil, "")
	f.IntVar(&o.rounds, "rounds", 0, "")
	f.IntSliceVar(&o.open, "open", nil, "")
	f.StringVar(&o.output, "output", "text", "")
	f.DurationVar(&o.load, "load", 0, "")
	f.StringVar(&o.dir, "dir", "", "")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("%q is no flag", f.Arg(0))
	}
	if o.output != "text" && o.output != "json" {
		return o, fmt.Errorf("--output is %q: text or json", o.output)
	}
	if o.rounds < 0 || o.load < 0 || slices.ContainsFunc(o.open, func(n int) bool { return n < 1 }) {
		return o, errors.New("--rounds and --load must not be negative, and --open not below 1")
	}
	for _, name := range o.only {
		if !slices.Contains(names(), name) {
			return o, fmt.Errorf("--only: there is no section %q, but %s", name, strings.Join(names(), ", "))
		}
	}
	return o.withDefaults(), nil
}

// A report is what a run has found.
type report struct {
	Machine string       `json:"machine"`
	Server  string       `json:"server"`
	Quick   bool         `json:"quick"`
	Rounds  int          `json:"rounds"`
	Rows    []figure.Row `json:"rows"`
}

func (r report) write(w io.Writer, format string) error {
	if format == "json" {
		for i := range r.Rows { // JSON has no NaN
			if row := &r.Rows[i]; math.IsNaN(row.Value) {
				row.Value, row.Other, row.Ratio = 0, 0, 0
			}
		}
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	if _, err := fmt.Fprintf(w, "%s; Temporal: %s; %d rounds\n", r.Machine, r.Server, r.Rounds); err != nil {
		return err
	}
	return figure.Print(w, r.Rows)
}

func machine() string {
	return fmt.Sprintf("%s/%s, %d cores, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
}
