package command

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/duration"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

// eraseWithin is how long one conversation may take without --timeout. Temporal deletes
// after it has answered, and what has just closed only once its queues say that the close
// has been dealt with: up to a minute later.
const eraseWithin = 3 * time.Minute

type eraseFlags struct {
	filterFlags
	all, end, dry, yes, unchecked bool
	olderThan                     time.Duration
}

func (s *starter) eraseCommand() *cobra.Command {
	var f eraseFlags
	cmd := &cobra.Command{
		Use: "erase CONVERSATION…", Long: eraseHelp, Example: eraseExample,
		RunE: s.does(func(ctx context.Context, names []string) error { return s.erase(ctx, f, names) }),
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.all, "all", false, "all that match the filters")
	f.filterFlags.register(flags)
	flags.Var(duration.NewFlag(&f.olderThan, 0), "older-than", "only those that closed at least this `long` ago, such as 30d")
	flags.BoolVar(&f.end, "end", false, "end those that are open on their platform first")
	flags.BoolVar(&f.unchecked, "unchecked", false, "do not ask the platform: an inbox may start the conversation again")
	flags.BoolVar(&f.dry, "dry-run", false, "show what would be erased, and erase nothing")
	flags.BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	s.flags.registerAs(flags)
	return cmd
}

func (f eraseFlags) check(names []string) error {
	filters := f.platform+f.project+f.agent+f.simulation+f.query != "" || len(f.statuses) > 0 || f.olderThan != 0
	switch {
	case f.all && len(names) > 0:
		return usagef("name conversations or give --all, not both")
	case !f.all && len(names) == 0:
		return usagef("name the conversations to erase, or give --all with filters")
	case !f.all && filters:
		return usagef("filters go with --all")
	case f.all && !filters:
		return usagef("--all would erase every conversation of the namespace: give a filter, such as --older-than 30d")
	case f.olderThan < 0:
		return usagef("--older-than %v is negative", f.olderThan)
	}
	return nil
}

// erased is the result for one conversation.
type erased struct {
	ID string `json:"id"`
	// Status is "erased", or with --dry-run the conversation's.
	Status string `json:"status,omitempty"`
	// Runs are how many were deleted, or with --dry-run would be.
	Runs  int    `json:"runs"`
	Error string `json:"error,omitempty"`

	was operate.Erasable
	err error
}

func (s *starter) erase(ctx context.Context, f eraseFlags, names []string) error {
	if err := f.check(names); err != nil {
		return err
	}
	o, err := s.operator(ctx)
	if err != nil {
		return err
	}
	found, err := s.erasable(ctx, o, f, names)
	if err != nil {
		return err
	}
	over := &ends{s: s, f: f}
	if !f.dry {
		if err := s.confirmErasure(f, found); err != nil {
			return err
		}
		s.each(ctx, found, func(ctx context.Context, e *erased) error { return s.eraseOne(ctx, o, over, f, e) })
	}
	return s.reportErasure(ctx, o, f, found)
}

// erasable finds what is to be erased. A conversation that cannot be read has its error,
// and does not stop the others.
func (s *starter) erasable(ctx context.Context, o *operate.Operator, f eraseFlags, names []string) ([]*erased, error) {
	var before time.Time
	if f.olderThan > 0 {
		before = time.Now().Add(-f.olderThan)
	}
	if f.all {
		bounded, cancel := s.bounded(ctx)
		defer cancel()
		var err error
		if names, err = o.Old(bounded, s.filter(f.filterFlags), before); err != nil {
			return nil, err
		}
	}
	found := make([]*erased, len(names))
	for i, name := range names {
		found[i] = &erased{ID: name}
	}
	s.each(ctx, found, func(ctx context.Context, e *erased) (err error) {
		ctx, cancel := s.bounded(ctx)
		defer cancel()
		id := e.ID
		if !f.all {
			if id, err = o.Find(ctx, e.ID); err != nil {
				return err
			}
		}
		if e.was, err = o.Erasable(ctx, id); err != nil {
			return err
		}
		e.ID, e.Status, e.Runs = id, e.was.Status, len(e.was.Runs)
		return nil
	})
	// The filters matched some run of it; another one may be open or newer. Several names
	// may mean the same conversation.
	seen := make(map[string]bool)
	return slices.DeleteFunc(found, func(e *erased) bool {
		again := seen[e.ID]
		seen[e.ID] = true
		newer := f.all && e.err == nil && (e.was.Open && !f.end || !before.IsZero() && (e.was.Open || e.was.Ended.After(before)))
		gone := f.all && records.KindOf(e.err) == records.NotFound
		return again || newer || gone
	}), nil
}

// each does something for several at a time, and keeps their errors. What has failed
// before is left out.
func (s *starter) each(ctx context.Context, all []*erased, do func(context.Context, *erased) error) {
	slots := make(chan struct{}, eraseParallel)
	var group sync.WaitGroup
	for _, e := range all {
		if e.err != nil {
			continue
		}
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			if e.err = do(ctx, e); e.err != nil {
				e.Error = e.err.Error()
			}
		})
	}
	group.Wait()
}

// eraseParallel is how many are erased at a time: each costs Temporal a delete for each
// run, and descriptions until all are gone.
const eraseParallel = 8

func (s *starter) confirmErasure(f eraseFlags, found []*erased) error {
	ready := slices.DeleteFunc(slices.Clone(found), func(e *erased) bool { return e.err != nil })
	if f.yes || len(ready) == 0 {
		return nil
	}
	runs := 0
	for _, e := range ready {
		runs += e.Runs
	}
	what := fmt.Sprintf("Erase %s (%s of their histories), for ever?", count(len(ready), "conversation"), count(runs, "run"))
	if len(ready) == 1 {
		what = fmt.Sprintf("Erase %s (%s), for ever?", ready[0].ID, count(runs, "run"))
	}
	return s.confirm(what)
}

func (s *starter) eraseOne(ctx context.Context, o *operate.Operator, over *ends, f eraseFlags, e *erased) error {
	ctx, cancel := context.WithTimeout(ctx, eraseWithin)
	if s.flags.timeoutGiven() {
		cancel()
		ctx, cancel = s.bounded(ctx)
	}
	defer cancel()
	if e.was.Open {
		if !f.end {
			return fmt.Errorf("erase %q: it is open: give --end to end it on its platform first", e.ID)
		}
		_, err := o.End(ctx, e.ID, workflows.EndRequest{Reason: "erased", By: s.operatorName()})
		if err != nil && records.KindOf(err) != records.Ended {
			return err
		}
		if err := o.Closed(ctx, e.ID); err != nil {
			return err
		}
		// Ending it may have begun another run.
		if e.was, err = o.Erasable(ctx, e.ID); err != nil {
			return err
		}
	}
	if err := over.check(ctx, e.was); err != nil {
		return err
	}
	if err := o.RecordErasure(ctx, e.was.Conversation, s.operatorName(), count(len(e.was.Runs), "run")); err != nil {
		return err
	}
	runs, err := o.Erase(ctx, e.was)
	e.Runs = runs
	if err != nil {
		return err
	}
	e.Status = "erased"
	return nil
}

func (s *starter) reportErasure(ctx context.Context, o *operate.Operator, f eraseFlags, found []*erased) error {
	left := s.leftBehind(ctx, o, found)
	if s.inJSON() {
		if found == nil {
			found = []*erased{}
		}
		if err := s.document(map[string]any{"action": "erasing", "dry_run": f.dry, "results": found, "not_erased": left}); err != nil {
			return err
		}
	}
	if len(found) == 0 {
		s.say("There is nothing to erase.")
	}
	var failed []error
	for _, e := range found {
		switch {
		case e.err != nil:
			failed = append(failed, e.err)
			if len(found) > 1 {
				s.say("starter: %v", e.err)
			}
		case s.inJSON():
		case f.dry:
			s.print("would erase %s (%s, %s)\n", e.ID, count(e.Runs, "run"), words(e.Status))
		default:
			s.print("erased %s (%s)\n", e.ID, count(e.Runs, "run"))
		}
	}
	if !s.inJSON() && len(failed) < len(found) {
		s.print("\nNot erased by this command:\n")
		for _, line := range left {
			s.print("  %s\n", line)
		}
	}
	switch {
	case len(failed) == 0:
		return nil
	case len(found) == 1:
		return failed[0]
	}
	s.say("starter: %d of %d failed", len(failed), len(found))
	if slices.ContainsFunc(failed, func(err error) bool { return records.KindOf(err) != records.NotFound }) {
		return exit(codeFailed)
	}
	return exit(codeNotFound)
}

// leftBehind says where else the texts of these conversations may be.
func (s *starter) leftBehind(ctx context.Context, o *operate.Operator, found []*erased) []string {
	at := map[string][]string{}
	note := func(kind, name string) {
		if name != "" && !slices.Contains(at[kind], name) {
			at[kind] = append(at[kind], name)
		}
	}
	for _, e := range found {
		if e.err == nil {
			note("schedule", e.was.Schedule)
			note("executor", e.was.Executor)
			switch {
			case e.was.Platform == conversation.DirectPlatform:
				note("direct", e.was.Platform)
			case e.was.Schedule == "":
				note("platform", e.was.Platform)
			}
		}
	}
	left := []string{}
	if len(at["direct"]) > 0 {
		left = append(left, "lines typed into starter chat, on the machine where they were typed: docs/direct.md names the file; what clients keep")
	}
	list := func(format, kind string) {
		if names := at[kind]; len(names) > 0 {
			slices.Sort(names)
			left = append(left, fmt.Sprintf(format, strings.Join(names, ", ")))
		}
	}
	list("the copy of the platform (%s)", "platform")
	list("what agents and model providers keep (executor %s), and what tools were given", "executor")
	list("what is to be done, in schedules (%s): starter schedule delete", "schedule")
	bounded, cancel := s.bounded(ctx)
	defer cancel()
	if info, err := o.NamespaceInfo(bounded); err == nil && info.Archives {
		left = append(left, "archived copies: namespace "+o.Namespace+" has archival")
	}
	return append(left, "backups of Temporal's database; logs and traces", "ids without texts, in inboxes, capacities, usage ledgers and the record of this act")
}
