package command

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/parley-run/parley/internal/assemble"
	"github.com/parley-run/parley/internal/chat"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/draft"
	"github.com/parley-run/parley/internal/printable"
)

type initFlags struct {
	choice draft.Choice
	force  bool
}

func (s *starter) initCommand() *cobra.Command {
	var f initFlags
	cmd := &cobra.Command{
		Use: "init [FILE]", Long: initHelp, Example: initExample,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("init takes one file, but got %q: `%s --help` says how", args[1], cmd.CommandPath())
			}
			return nil
		},
		RunE: s.does(func(ctx context.Context, args []string) error { return s.init(ctx, f, args) }),
	}
	types := assemble.Builtin()
	flags := cmd.Flags()
	flags.StringVar(&f.choice.Platform, "platform", "", "where conversations come from, by its `type`: "+strings.Join(draft.PlatformNames(types), ", "))
	flags.StringVar(&f.choice.PlatformURL, "platform-url", "", "the `address` of the platform (default: a variable of the environment)")
	flags.StringVar(&f.choice.Project, "project", "", "the project's `id` on the platform (default: a variable of the environment)")
	flags.StringVar(&f.choice.Agent, "agent-id", "", "the agent's `id` on the platform (default: a variable of the environment)")
	flags.StringVar(&f.choice.Executor, "executor", "", "what replies, by its `type`: "+strings.Join(draft.ExecutorNames(types, ""), ", "))
	flags.StringVar(&f.choice.Model, "model", "", "the `model` to ask (default: a small one of the vendor, which the file names)")
	flags.StringVar(&f.choice.ExecutorURL, "url", "", "the `address` of your agent, or of a compatible server")
	flags.StringVar(&f.choice.Name, "name", draft.DefaultName, "the agent's `name` in the file")
	flags.BoolVar(&f.force, "force", false, "overwrite the file if there is one")
	return cmd
}

// A needed variable is one that the new file refers to.
type needed struct {
	Name string `json:"name"`
	// Set is whether the environment of this command has it.
	Set      bool   `json:"set"`
	Required bool   `json:"required"`
	Text     string `json:"text,omitempty"`
}

func (s *starter) init(ctx context.Context, f initFlags, args []string) error {
	named, _ := s.source().Lookup("PARLEY_CONFIG")
	path := cmp.Or(strings.Join(args, ""), s.flags.config, named, config.DefaultFile)
	if _, err := os.Stat(path); err == nil && !f.force {
		return usagef("%s exists: give --force to overwrite it, or another name", path)
	}
	types := assemble.Builtin()
	if err := s.askChoice(ctx, types, &f.choice); err != nil {
		return err
	}
	d, err := draft.New(types, f.choice)
	if err != nil {
		return usage(err)
	}
	if err := draft.Check(types, path, d.Text, s.source().Lookup); err != nil {
		return usage(fmt.Errorf("nothing was written: %w", err))
	}
	if err := writeDraft(path, d.Text, f.force); err != nil {
		return err
	}
	variables := s.neededOf(d.Variables)
	s.showDraft(path, f.choice, variables)
	s.flags.config = path
	findings, err := s.examine(ctx)
	if err != nil {
		return err
	}
	if s.inJSON() {
		if err := s.document(map[string]any{"file": path, "variables": variables, "checks": findings, "wrong": countWrong(findings)}); err != nil {
			return err
		}
	}
	return verdict(findings)
}

// writeDraft makes the file. Others may read it: it has no secrets.
func writeDraft(path, text string, force bool) error {
	mode := os.O_CREATE | os.O_WRONLY | os.O_EXCL
	if force {
		mode = os.O_CREATE | os.O_WRONLY | os.O_TRUNC
	}
	file, err := os.OpenFile(path, mode, 0o644) //nolint:gosec // the path is the operator's
	if errors.Is(err, fs.ErrExist) {
		return usagef("%s exists: give --force to overwrite it, or another name", path)
	}
	if err != nil {
		return err
	}
	_, err = io.WriteString(file, text)
	return errors.Join(err, file.Close())
}

// neededOf says which of the variables are set here.
func (s *starter) neededOf(variables []draft.Variable) []needed {
	lookup := s.source().Lookup
	all := []needed{}
	for _, v := range variables {
		value, _ := lookup(v.Name)
		file, _ := lookup(v.Name + "_FILE")
		all = append(all, needed{Name: v.Name, Set: value+file != "", Required: v.Required, Text: v.Text})
	}
	return all
}

func (s *starter) showDraft(path string, c draft.Choice, variables []needed) {
	if s.inJSON() {
		return
	}
	s.print("wrote %s: agent %s on platform %s, with executor %s\n", printable.Line(path), printable.Line(c.Name), c.Platform, c.Executor)
	missing := slices.DeleteFunc(slices.Clone(variables), func(v needed) bool { return v.Set || !v.Required })
	if len(missing) > 0 {
		s.print("Set these variables where the worker runs, and here for starter:\n")
	}
	for _, v := range missing {
		line := "  " + v.Name
		if v.Text != "" {
			line += ": " + v.Text
		}
		s.print("%s\n", line)
	}
	s.print("\n")
}

// askChoice asks for what the flags do not say, on a terminal.
func (s *starter) askChoice(ctx context.Context, types assemble.Backends, c *draft.Choice) error {
	if c.Platform != "" && c.Executor != "" {
		return nil
	}
	if _, _, ok := chat.IsTerminal(s.stdin, s.stdout); !ok || s.inJSON() {
		return usagef("give --platform (%s) and --executor (%s): there is no terminal to ask at",
			strings.Join(draft.PlatformNames(types), ", "), strings.Join(draft.ExecutorNames(types, c.Platform), ", "))
	}
	q := questions{s: s, in: bufio.NewScanner(s.stdin)}
	if c.Platform == "" {
		var options []option
		for _, t := range types.Platforms {
			options = append(options, option{t.Name, t.Title})
		}
		c.Platform = q.choose(ctx, "Where do conversations come from?", "platform", options)
	}
	if c.Executor == "" {
		var options []option
		names := draft.ExecutorNames(types, c.Platform)
		for _, t := range types.Executors {
			if slices.Contains(names, t.Name) {
				options = append(options, option{t.Name, t.Title})
			}
		}
		c.Executor = q.choose(ctx, "What replies?", "executor", options)
	}
	for _, t := range types.Executors {
		if t.Name != c.Executor {
			continue
		}
		model, url := draft.Defaults(t)
		if c.Model == "" && model != "" {
			c.Model = q.line(ctx, "model", model)
		}
		if c.ExecutorURL == "" && url != "" {
			c.ExecutorURL = q.line(ctx, "address", url)
		}
	}
	for _, t := range types.Platforms {
		if t.Name != c.Platform {
			continue
		}
		if t.NeedsProject && c.Project == "" {
			c.Project = q.line(ctx, "project's id on "+t.Title, "from the environment")
		}
		if t.NeedsAgent && c.Agent == "" {
			c.Agent = q.line(ctx, "agent's id on "+t.Title, "from the environment")
		}
	}
	return q.err
}

// questions are asked on a terminal. After an error, all answers are empty.
type questions struct {
	s   *starter
	in  *bufio.Scanner
	err error
}

type option struct{ name, title string }

// choose asks until the answer is one of the names. Nothing is the first one.
func (q *questions) choose(ctx context.Context, question, what string, options []option) string {
	var names []string
	q.s.print("%s\n", question)
	for _, o := range options {
		names = append(names, o.name)
		q.s.print("  %-10s %s\n", o.name, o.title)
	}
	for q.err == nil {
		answer := cmp.Or(q.line(ctx, what, names[0]), names[0])
		if slices.Contains(names, answer) {
			q.s.print("\n")
			return answer
		}
		q.s.print("There is no %s: %s\n", printable.Line(answer), config.Suggest(answer, names))
	}
	return ""
}

// line asks for a line, which may be empty: the default in brackets is meant then.
func (q *questions) line(ctx context.Context, what, byDefault string) string {
	if q.err != nil {
		return ""
	}
	q.s.print("%s [%s]: ", what, byDefault)
	read := make(chan bool, 1)
	go func() { read <- q.in.Scan() }() // ends with the process, if not before
	select {
	case <-ctx.Done():
		q.err = ctx.Err()
	case more := <-read:
		if !more {
			q.s.print("\n")
			q.err = errors.New("nothing was written")
		}
	}
	if q.err != nil {
		return ""
	}
	return strings.TrimSpace(q.in.Text())
}
