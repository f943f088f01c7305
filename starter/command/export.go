package command

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-run/parley/internal/export"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/redact"
)

type exportFlags struct {
	rangeFlags
	format, output, system, patternFile string
	redact, patterns                    []string
	noMetadata                          bool
}

func (s *starter) exportCommand() *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Use: "export", Long: exportHelp, Example: exportExample, Args: noArguments,
		RunE: s.does(func(ctx context.Context, _ []string) error { return s.export(ctx, f) }),
	}
	flags := cmd.Flags()
	f.rangeFlags.register(flags)
	flags.StringVar(&f.format, "format", string(export.DefaultFormat), "the `form` of a line: "+exportForms())
	flags.StringVarP(&f.output, "output", "o", "-", "write to this `file`; - is standard output")
	flags.StringVar(&f.system, "system", "", "begin each conversation with the system prompt in this `file`")
	flags.BoolVar(&f.noMetadata, "no-metadata", false, "leave out the object metadata")
	flags.StringSliceVar(&f.redact, "redact", nil, "replace what these `rules` find: email, card, phone, phone:COUNTRY")
	flags.StringArrayVar(&f.patterns, "redact-pattern", nil, "replace what a regular expression finds: `NAME=PATTERN`; may be given several times")
	flags.StringVar(&f.patternFile, "redact-file", "", "`file` with patterns, one NAME=PATTERN a line")
	return cmd
}

// exportForms lists the forms.
func exportForms() string {
	var forms []string
	for _, f := range export.Formats() {
		forms = append(forms, string(f))
	}
	return strings.Join(forms, " or ")
}

func (s *starter) export(ctx context.Context, f exportFlags) error {
	if !slices.Contains(export.Formats(), export.Format(f.format)) {
		return usagef("unknown form %q: use %s", f.format, exportForms())
	}
	if f.output == outputJSON || f.output == outputText {
		return usagef("--output names a file: export always writes JSON lines")
	}
	if err := f.bounds(time.Now()); err != nil {
		return err
	}
	redactor, err := f.redactor()
	if err != nil {
		return err
	}
	system := ""
	if f.system != "" {
		data, err := os.ReadFile(f.system)
		if err != nil {
			return usagef("--system: %v", err)
		}
		system = strings.TrimSpace(string(data))
	}
	o, err := s.operator(ctx)
	if err != nil {
		return err
	}
	ctx, stop := s.lasting(ctx)
	defer stop()
	var w *export.Writer
	var counts records.Counts
	err = s.writeFile(f.output, func(out io.Writer) (err error) {
		w = export.NewWriter(out, export.Format(f.format))
		w.System, w.Plain, w.Redact = system, f.noMetadata, redactor
		counts, err = o.Records(ctx, s.filter(f.filterFlags), f.limit, w.Write)
		return err
	})
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	s.say("Wrote %d of %s.", w.Written(), count(int(counts.Total), "conversation"))
	for _, left := range w.LeftOut() {
		s.say("Left out or changed: %s.", left)
	}
	if redactor != nil {
		s.say("Redacted: %s.", redactor.Counts())
	}
	return nil
}

// redactor has the patterns first: what an operator describes is the more specific.
func (f exportFlags) redactor() (*redact.Redactor, error) {
	var rules []redact.Rule
	for _, p := range f.patterns {
		name, pattern, ok := strings.Cut(p, "=")
		if !ok {
			return nil, usagef("--redact-pattern %q: write NAME=PATTERN", p)
		}
		rule, err := redact.Pattern(name, pattern)
		if err != nil {
			return nil, usagef("--redact-pattern: %v", err)
		}
		rules = append(rules, rule)
	}
	if f.patternFile != "" {
		text, err := os.ReadFile(f.patternFile)
		if err != nil {
			return nil, usagef("--redact-file: %v", err)
		}
		more, err := redact.Patterns(string(text))
		if err != nil {
			return nil, usagef("--redact-file %s: %v", f.patternFile, err)
		}
		rules = append(rules, more...)
	}
	for _, name := range f.redact {
		rule, err := redact.Builtin(strings.TrimSpace(name))
		if err != nil {
			return nil, usagef("--redact: %v", err)
		}
		rules = append(rules, rule)
	}
	return redact.New(rules), nil
}
