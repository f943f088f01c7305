package command

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/report"
	figures "github.com/parley-run/parley/internal/summary"
	"github.com/parley-run/parley/internal/version"
)

type reportFlags struct {
	rangeFlags
	format, title, transcripts, baseline string
	outputs, failOn, failures            []string
	minScore, tolerance                  float64
	noEvaluations                        bool
}

// rangeFlags choose conversations for a report or an export.
type rangeFlags struct {
	filterFlags
	since, until string
	limit        int
}

func (f *rangeFlags) register(flags *pflag.FlagSet) {
	f.filterFlags.register(flags)
	flags.StringSliceVar(&f.outcomes, "outcome", nil, "only those with one of these `outcomes`")
	flags.StringVar(&f.since, "since", "", "only those that started at or after this `time`: a time, or how long ago")
	flags.StringVar(&f.until, "until", "", "only those that started before this `time`: a time, or how long ago")
	flags.IntVar(&f.limit, "limit", 0, "the newest conversations, at most this many; 0 reads all")
}

// bounds checks the flags, and adds the times to the query.
func (f *rangeFlags) bounds(now time.Time) error {
	if f.limit < 0 {
		return usagef("--limit %d is negative", f.limit)
	}
	since, err := ago(f.since, now)
	if err != nil {
		return usagef("--since: %v", err)
	}
	until, err := ago(f.until, now)
	if err != nil {
		return usagef("--until: %v", err)
	}
	if !since.IsZero() && !until.IsZero() && !since.Before(until) {
		return usagef("--since %s is not before --until %s", f.since, f.until)
	}
	var terms []string
	if q := strings.TrimSpace(f.query); q != "" {
		terms = append(terms, "("+q+")")
	}
	if !since.IsZero() {
		terms = append(terms, "StartTime >= "+records.Quote(since.UTC().Format(time.RFC3339Nano)))
	}
	if !until.IsZero() {
		terms = append(terms, "StartTime < "+records.Quote(until.UTC().Format(time.RFC3339Nano)))
	}
	f.query = strings.Join(terms, " AND ")
	return nil
}

// scope is what was chosen, in words.
func (f rangeFlags) scope() []string {
	scope := []string{}
	for _, c := range [][2]string{
		{"platform", f.platform}, {"project", f.project}, {"agent", f.agent}, {"simulation", f.simulation}, {"status", strings.Join(f.statuses, " or ")},
		{"outcome", strings.Join(f.outcomes, " or ")}, {"since", f.since}, {"until", f.until},
	} {
		if c[1] != "" {
			scope = append(scope, c[0]+" "+c[1])
		}
	}
	if f.query != "" && f.since+f.until == "" {
		scope = append(scope, "query "+f.query)
	}
	return scope
}

func (s *starter) reportCommand() *cobra.Command {
	var f reportFlags
	cmd := &cobra.Command{
		Use: "report", Long: reportHelp, Example: reportExample, Args: noArguments,
		RunE: s.does(func(ctx context.Context, _ []string) error { return s.writeReport(ctx, f) }),
	}
	flags := cmd.Flags()
	f.rangeFlags.register(flags)
	flags.StringVar(&f.format, "format", "", "`form`: html, markdown, json or junit (default: by the name of --output, else markdown)")
	flags.StringArrayVarP(&f.outputs, "output", "o", nil, "write to this `file` (.html, .md, .json, .xml), \"-\" for standard output; may be given several times")
	flags.StringVar(&f.title, "title", "", "the report's `title`")
	flags.StringVar(&f.transcripts, "transcripts", "all", "messages in the HTML form: all, failed or none")
	flags.StringVar(&f.baseline, "baseline", "", "compare with the report in this `file`, which --format json wrote")
	flags.Float64Var(&f.tolerance, "tolerance", figures.DefaultTolerance, "relative `change` up to which a measure counts as the same")
	flags.StringArrayVar(&f.failOn, "fail-on", nil, "exit with 5 if this `condition` holds, such as failed>0; may be given several times")
	flags.StringSliceVar(&f.failures, "failures", figures.DefaultRules().Failures, "outcomes, statuses and ends that count as `failures`")
	flags.Float64Var(&f.minScore, "min-score", 0, "count as failures those with a lower `score` of the platform, from 0 to 1")
	flags.BoolVar(&f.noEvaluations, "no-evaluations", false, "do not ask platforms for their evaluations")
	return cmd
}

// A target is one file of a report and its form.
type target struct{ path, format string }

var formats = []string{"html", "markdown", "json", "junit"}

// targets are the files to write.
func (f reportFlags) targets() ([]target, error) {
	if f.format != "" && !slices.Contains(formats, f.format) {
		return nil, usagef("unknown form %q: use %s", f.format, strings.Join(formats, ", "))
	}
	byName := map[string]string{".html": "html", ".htm": "html", ".md": "markdown", ".markdown": "markdown", ".json": "json", ".xml": "junit"}
	var out []target
	for _, path := range f.outputs {
		format := f.format
		switch named := byName[strings.ToLower(filepath.Ext(path))]; {
		case slices.Contains(formats, path) || path == outputText:
			return nil, usagef("--output names a file: give --format %s for the form", path)
		case path == "":
			return nil, usagef("--output needs the name of a file, or - for standard output")
		case format != "" && len(f.outputs) > 1:
			return nil, usagef("--format goes with one --output: with several, their names say the form")
		case format == "" && path == "-":
			format = "markdown"
		case format == "":
			if format = named; format == "" {
				return nil, usagef("--output %q: the name ends with none of .html, .md, .json, .xml: give --format", path)
			}
		}
		out = append(out, target{path, format})
	}
	if out == nil {
		out = []target{{"-", "markdown"}}
		if f.format != "" {
			out[0].format = f.format
		}
	}
	return out, nil
}

func (s *starter) writeReport(ctx context.Context, f reportFlags) error {
	targets, err := f.targets()
	if err != nil {
		return err
	}
	if err := f.bounds(time.Now()); err != nil {
		return err
	}
	rules, err := f.rules()
	if err != nil {
		return err
	}
	conditions, err := f.conditions()
	if err != nil {
		return err
	}
	baseline, err := readBaseline(f.baseline)
	if err != nil {
		return err
	}
	r := report.New(f.name(), f.scope(), rules, time.Now())
	r.Version = version.String()
	if err := s.collect(ctx, f, r, targets); err != nil {
		return err
	}
	if baseline != nil {
		r.Compare(baseline, f.tolerance)
	}
	for _, t := range targets {
		write := map[string]func(io.Writer) error{"html": r.HTML, "markdown": r.Markdown, "json": r.JSON, "junit": r.JUnit}[t.format]
		if err := s.writeFile(t.path, write); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
		if t.path != "-" {
			s.say("Wrote %s, %s.", t.path, r.Summary.Coverage)
		}
	}
	if !r.Summary.Coverage.Whole() {
		s.say("This is a part: %s.", r.Summary.Coverage)
	}
	return s.judge(r, conditions)
}

func (f reportFlags) name() string {
	switch {
	case f.title != "":
		return f.title
	case f.simulation != "":
		return "Simulation " + f.simulation
	case f.agent != "":
		return "Agent " + f.agent
	}
	return "Conversations"
}

func (f reportFlags) rules() (figures.Rules, error) {
	if f.minScore < 0 || f.minScore > 1 {
		return figures.Rules{}, usagef("--min-score %v is not from 0 to 1", f.minScore)
	}
	if f.tolerance < 0 {
		return figures.Rules{}, usagef("--tolerance %v is negative", f.tolerance)
	}
	if !slices.Contains([]string{"all", "failed", "none"}, f.transcripts) {
		return figures.Rules{}, usagef("--transcripts %q: use all, failed or none", f.transcripts)
	}
	failures := slices.DeleteFunc(slices.Clone(f.failures), func(name string) bool { return name == "" || name == "none" })
	rules, err := figures.NewRules(failures, f.minScore)
	if err != nil {
		return rules, usagef("--failures: %v", err)
	}
	return rules, nil
}

func (f reportFlags) conditions() ([]report.Condition, error) {
	var out []report.Condition
	for _, text := range f.failOn {
		c, err := report.ParseCondition(text, f.baseline != "")
		if err != nil {
			return nil, usagef("--fail-on: %v", err)
		}
		out = append(out, c)
	}
	return out, nil
}

// readBaseline reads a report. Empty: none.
func readBaseline(path string) (*report.Report, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, usagef("--baseline: %v", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	r, err := report.Read(f)
	if err != nil {
		return nil, usagef("--baseline %s: %v", path, err)
	}
	return r, nil
}

// collect reads the conversations and their evaluations.
func (s *starter) collect(ctx context.Context, f reportFlags, r *report.Report, targets []target) error {
	o, err := s.operator(ctx)
	if err != nil {
		return err
	}
	ctx, stop := s.lasting(ctx)
	defer stop()
	html := slices.ContainsFunc(targets, func(t target) bool { return t.format == "html" })
	counts, err := o.Records(ctx, s.filter(f.filterFlags), f.limit, func(record records.Record) error {
		texts := html && (f.transcripts == "all" || f.transcripts == "failed" && r.Rules.Class(figures.CaseOf(record)) == figures.Failed)
		r.Add(record, texts)
		return nil
	})
	if err != nil {
		return err
	}
	if !f.noEvaluations {
		s.evaluate(ctx, r)
	}
	r.Finish(figures.Coverage{Exist: int(counts.Total), Limit: f.limit})
	return nil
}

// judge says which conditions hold.
func (s *starter) judge(r *report.Report, conditions []report.Condition) error {
	failed := false
	for _, c := range conditions {
		met, text := c.Met(r)
		if met {
			failed = true
			s.say("--fail-on %s", text)
		}
	}
	if failed {
		return exit(codeCondition)
	}
	return nil
}
