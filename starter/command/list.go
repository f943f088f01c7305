package command

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/internal/records"
)

// personaWidth keeps a line of the list on one line of a terminal.
const personaWidth = 32

func (f *filterFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.platform, "platform", "", "only those of a platform, by its `name` in the configuration")
	flags.StringVar(&f.project, "project", "", "only those of a project, by its `id`")
	flags.StringVar(&f.agent, "agent", "", "only those of an agent, by its `name` in the configuration or its id")
	flags.StringVar(&f.simulation, "simulation", "", "only those of a simulation, by its `id`")
	flags.StringSliceVar(&f.statuses, "status", nil, "only those with one of these `statuses`")
	flags.StringVar(&f.query, "query", "", "only those that match a visibility `query` of Temporal")
}

func (s *starter) listCommand() *cobra.Command {
	var f filterFlags
	var limit int
	cmd := &cobra.Command{
		Use: "list", Long: listHelp, Example: listExample, Args: noArguments,
		RunE: s.does(func(ctx context.Context, _ []string) error { return s.list(ctx, f, limit) }),
	}
	f.register(cmd.Flags())
	cmd.Flags().StringSliceVar(&f.outcomes, "outcome", nil, "only those with one of these `outcomes`")
	cmd.Flags().IntVar(&limit, "limit", 50, "at most this many; 0 shows all")
	return cmd
}

func (s *starter) list(ctx context.Context, f filterFlags, limit int) error {
	o, err := s.operator(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	page, err := o.List(ctx, s.filter(f), limit)
	if err != nil {
		return err
	}
	if s.inJSON() {
		return s.document(page)
	}
	s.print("%s", listing(page, time.Now()))
	return nil
}

func listing(page records.Page, now time.Time) string {
	if len(page.Conversations) == 0 {
		return "no conversations\n"
	}
	return conversationTable(page.Conversations, now) + "\n" + strandedText(page.Conversations) + summary(page.Counts) + "\n"
}

// strandedText says once for each reason why conversations are stranded.
func strandedText(conversations []records.Conversation) string {
	var b strings.Builder
	said := make(map[records.Stranded]bool)
	for _, c := range conversations {
		if c.Stranded == nil {
			continue
		}
		s := *c.Stranded
		if s.Was = ""; said[s] {
			continue
		}
		said[s] = true
		fmt.Fprintf(&b, "stranded: %s\n    → %s\n", clip(s.Reason, 300), clip(s.Remedy, 500))
	}
	return b.String()
}

// statusText is the status, and for a stranded conversation the version it waits for.
func statusText(c records.Conversation) string {
	if c.Stranded != nil && c.Stranded.Version != "" {
		return words(c.Status) + " (" + clip(c.Stranded.Version, 60) + ")"
	}
	return words(c.Status)
}

func conversationTable(conversations []records.Conversation, now time.Time) string {
	rows := make([][]string, len(conversations))
	for i, c := range conversations {
		rows[i] = []string{
			clip(printable.ID(c.ID), 120), clip(c.Persona, personaWidth), statusText(c), fmt.Sprint(c.Turns),
			c.Result(), clock(c.Started, now), span(c.Duration()),
		}
	}
	return tabulate([]string{"conversation", "persona", "status", "turns", "outcome", "started", "duration"}, rows)
}

// summary is the last line of a list: "50 of 312 conversations: 12 open (2 need
// attention), 298 completed, 2 broken".
func summary(c records.Counts) string {
	var parts []string
	if c.Open > 0 {
		text := fmt.Sprintf("%d open", c.Open)
		var of []string
		if c.NeedAttention > 0 {
			of = append(of, plural(c.NeedAttention, "needs", "need")+" attention")
		}
		if c.Stranded > 0 {
			of = append(of, fmt.Sprintf("%d stranded", c.Stranded))
		}
		if len(of) > 0 {
			text += " (" + strings.Join(of, ", ") + ")"
		}
		parts = append(parts, text)
	}
	if c.Completed > 0 {
		parts = append(parts, fmt.Sprintf("%d completed", c.Completed))
	}
	if c.Broken > 0 {
		parts = append(parts, fmt.Sprintf("%d broken", c.Broken))
	}
	text := count(int(c.Total), "conversation")
	if c.Shown < c.Total {
		text = fmt.Sprintf("%d of %s", c.Shown, text)
	}
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	return text
}
