package command

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-run/parley/internal/duration"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/schedules"
)

type auditFlags struct {
	filterFlags
	since, until, schedule string
	by, actions            []string
	limit, executions      int
}

const (
	auditLimit = 50
	// auditExecutions bounds the histories that are read: some thousand a minute.
	auditExecutions = 10000
)

func (s *starter) auditCommand() *cobra.Command {
	var f auditFlags
	cmd := &cobra.Command{
		Use: "audit [CONVERSATION|INBOX]", Long: auditHelp, Example: auditExample,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("audit takes one conversation or inbox at most")
			}
			return nil
		},
		RunE: s.does(func(ctx context.Context, args []string) error { return s.audit(ctx, f, strings.Join(args, "")) }),
	}
	flags := cmd.Flags()
	flags.StringVar(&f.since, "since", "7d", "the earliest `time`: a time, or how long ago; \"\" for all that Temporal keeps")
	flags.StringVar(&f.until, "until", "", "only acts before this `time`: a time, or how long ago")
	flags.StringSliceVar(&f.by, "by", nil, "only acts of one of these `operators`, with or without @HOST")
	flags.StringSliceVar(&f.actions, "action", nil, "only one of these `actions`")
	flags.StringVar(&f.schedule, "schedule", "", "only acts on a schedule, by its `name`")
	flags.StringVar(&f.platform, "platform", "", "only those of a platform, by its `name` in the configuration")
	flags.StringVar(&f.project, "project", "", "only those of a project, by its `id`")
	flags.StringVar(&f.agent, "agent", "", "only those of an agent, by its `name` in the configuration or its id")
	flags.StringVar(&f.simulation, "simulation", "", "only those of a simulation, by its `id`")
	flags.IntVar(&f.limit, "limit", auditLimit, "at most this many; 0 shows all")
	flags.IntVar(&f.executions, "executions", auditExecutions, "read at most this many histories; 0 reads all")
	return cmd
}

func (s *starter) audit(ctx context.Context, f auditFlags, name string) error {
	q, err := f.query(name, time.Now())
	if err != nil {
		return err
	}
	o, err := s.operator(ctx)
	if err != nil {
		return err
	}
	q.Filter = s.filter(f.filterFlags)
	ctx, stop := s.lasting(ctx)
	defer stop()
	if q.Subject, err = subject(ctx, o, name); err != nil {
		return err
	}
	found, err := o.Audit(ctx, q)
	if err != nil {
		return err
	}
	if s.inJSON() {
		return s.document(found)
	}
	s.print("%s", auditTable(found))
	if found.Incomplete {
		s.say("Only %d of %d histories were read: --executions 0 reads all, --since, --until and the other filters choose fewer.", found.Read, found.Executions)
	}
	if !found.Next.IsZero() {
		s.say("There are older ones: --until %s", found.Next.UTC().Format(time.RFC3339Nano))
	}
	return nil
}

// subject is the workflow id of what name names, also of a conversation that was erased.
func subject(ctx context.Context, o *operate.Operator, name string) (string, error) {
	if name == "" || strings.HasPrefix(name, "inbox/") {
		return name, nil
	}
	id, err := o.Find(ctx, name)
	if records.KindOf(err) != records.NotFound {
		return id, err
	}
	if id, e := o.Erased(ctx, name); e == nil && id != "" {
		return id, nil
	}
	return "", err
}

func (f auditFlags) query(name string, now time.Time) (q operate.AuditQuery, err error) {
	switch {
	case f.limit < 0:
		return q, usagef("--limit %d is negative", f.limit)
	case f.executions < 0:
		return q, usagef("--executions %d is negative", f.executions)
	case f.schedule != "" && name != "":
		return q, usagef("name a conversation or inbox or give --schedule, not both")
	}
	q = operate.AuditQuery{By: f.by, Schedule: f.schedule, Limit: f.limit, Executions: f.executions}
	for _, action := range f.actions {
		a := operate.Action(strings.ToLower(strings.TrimSpace(action)))
		if !slices.Contains(operate.Actions(), a) {
			return q, usagef("unknown action %q: use one of %s", action, actionNames())
		}
		q.Actions = append(q.Actions, a)
	}
	if q.Since, err = ago(f.since, now); err != nil {
		return q, usagef("--since: %v", err)
	}
	if q.Until, err = ago(f.until, now); err != nil {
		return q, usagef("--until: %v", err)
	}
	if !q.Until.IsZero() && !q.Since.Before(q.Until) {
		return q, usagef("--since %s is not before --until %s", f.since, f.until)
	}
	return q, nil
}

// ago is a time, or how long before now. Empty: zero.
func ago(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return at, nil // to the nanosecond: the bound of a page
	}
	if d, err := duration.Parse(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	return schedules.PastMoment(text, now)
}

func actionNames() string {
	var names []string
	for _, a := range operate.Actions() {
		names = append(names, string(a))
	}
	return strings.Join(names, ", ")
}

func auditTable(found operate.Audit) string {
	over := fmt.Sprintf("%d of %s read", found.Read, histories(found.Executions))
	if len(found.Acts) == 0 {
		return "no acts (" + over + ")\n"
	}
	rows := make([][]string, len(found.Acts))
	for i, a := range found.Acts {
		by := a.By
		if by == "" {
			by = "unknown"
		}
		rows[i] = []string{
			a.At.Local().Format("2006-01-02 15:04:05"), string(a.Action), clip(by, 60), clip(printable.ID(a.Subject()), 120), clip(a.Detail, 80),
		}
	}
	return tabulate([]string{"at", "action", "by", "on", "detail"}, rows) + fmt.Sprintf("\n%s (%s)\n", count(len(found.Acts), "act"), over)
}

func histories(n int64) string {
	if n == 1 {
		return "1 history"
	}
	return fmt.Sprintf("%d histories", n)
}

const auditHelp = `audit lists what operators have done, the newest first: who, when and on what. It covers
open and closed conversations, inboxes, schedules and erasures, for as long as the namespace
keeps them.

Usage: starter audit [CONVERSATION|INBOX] [flags]

Actions: run, adopt, approve, deny, takeover, pause, resume, end, move, erase; start and stop
(inboxes); create, update, backfill, delete (schedules); cancel, terminate, reset (with
Temporal's own tools). "by" is what --as said, or the client's identity: a record, not a
proof. Nothing indexes acts: audit reads histories, and says how many.`

const auditExample = `  starter audit --since 24h
  starter audit cv_7 --since ""
  starter audit --by anna --action approve,deny
  starter audit --schedule report --output json | jq .acts`
