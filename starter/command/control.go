package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

// An action applies to conversations: the named ones, or all that match the filters.
type action struct {
	verb  string // "end"
	doing string // for reports: "ending"
	all   bool
	yes   bool
	// statuses are the default statuses of --all.
	statuses []string
	filterFlags
	// prepare, if not nil, checks the flags first.
	prepare func() error
	do      func(ctx context.Context, o *operate.Operator, id string) (workflows.Status, error)
}

func (a *action) register(flags *pflag.FlagSet) {
	flags.BoolVar(&a.all, "all", false, "all that match the filters, after a question")
	flags.BoolVarP(&a.yes, "yes", "y", false, "do not ask")
	a.filterFlags.register(flags)
}

// filtered reports whether a filter was given: filters require --all.
func (a *action) filtered() bool {
	f := a.filterFlags
	return f.platform+f.project+f.agent+f.simulation+f.query != "" || len(f.statuses) > 0
}

func (a *action) check(names []string) error {
	switch {
	case a.all && len(names) > 0:
		return usagef("name conversations or give --all, not both")
	case !a.all && len(names) == 0:
		return usagef("name the conversations to %s, or give --all", a.verb)
	case !a.all && a.filtered():
		return usagef("filters go with --all")
	case a.prepare != nil:
		return a.prepare()
	}
	return nil
}

func (s *starter) endCommand() *cobra.Command {
	var req workflows.EndRequest
	a := &action{verb: "end", doing: "ending", do: func(ctx context.Context, o *operate.Operator, id string) (workflows.Status, error) {
		req := req // several conversations at once
		req.By = s.operatorName()
		return o.End(ctx, id, req)
	}}
	cmd := s.actionCommand(a, endHelp, endExample)
	cmd.Flags().StringVar(&req.Reason, "reason", "", "the reason, for the outcome")
	return cmd
}

func (s *starter) pauseCommand() *cobra.Command {
	var req workflows.PauseRequest
	a := &action{
		verb: "pause", doing: "pausing",
		statuses: []string{string(workflows.StateClaiming), string(workflows.StateTalking), string(workflows.StateListening)},
		do: func(ctx context.Context, o *operate.Operator, id string) (workflows.Status, error) {
			req := req
			req.By = s.operatorName()
			return o.Pause(ctx, id, req)
		},
	}
	cmd := s.actionCommand(a, pauseHelp, pauseExample)
	cmd.Flags().StringVar(&req.Reason, "reason", "", "the reason, shown while it lasts")
	return cmd
}

func (s *starter) resumeCommand() *cobra.Command {
	var req workflows.ResumeRequest
	a := &action{
		verb: "resume", doing: "resuming",
		statuses: []string{string(workflows.StateNeedsAttention)},
		do: func(ctx context.Context, o *operate.Operator, id string) (workflows.Status, error) {
			req := req
			req.By = s.operatorName()
			return o.Resume(ctx, id, req)
		},
	}
	a.prepare = func() error {
		c, err := s.configuration()
		if err != nil {
			return nil // the workers' configuration decides
		}
		return knownExecutor(c, req.Executor)
	}
	cmd := s.actionCommand(a, resumeHelp, resumeExample)
	cmd.Flags().StringVar(&req.Executor, "executor", "", "use this `executor` from now on, by its name in the configuration")
	cmd.Flags().BoolVar(&req.NewReply, "new-reply", false, "drop the reply that the platform does not take, and ask the executor again")
	return cmd
}

func (s *starter) actionCommand(a *action, help, example string) *cobra.Command {
	cmd := &cobra.Command{
		Use: a.verb + " CONVERSATION…", Long: help, Example: example,
		RunE: s.does(func(ctx context.Context, names []string) error { return s.act(ctx, a, names) }),
	}
	a.register(cmd.Flags())
	s.flags.registerAs(cmd.Flags())
	return cmd
}

func (s *starter) act(ctx context.Context, a *action, names []string) error {
	if err := a.check(names); err != nil {
		return err
	}
	o, err := s.operator(ctx)
	if err != nil {
		return err
	}
	if a.all {
		return s.actOnAll(ctx, o, a)
	}
	done := operate.Each(ctx, names, func(ctx context.Context, name string) (string, error) {
		ctx, cancel := s.bounded(ctx)
		defer cancel()
		id, err := o.Find(ctx, name)
		if err != nil {
			return "", err
		}
		status, err := a.do(ctx, o, id)
		return string(status.State), err
	})
	return s.report(a.doing, done)
}

func (s *starter) actOnAll(ctx context.Context, o *operate.Operator, a *action) error {
	if len(a.filterFlags.statuses) == 0 {
		a.filterFlags.statuses = a.statuses
	}
	filter := s.filter(a.filterFlags)
	finding, cancel := s.bounded(ctx)
	defer cancel()
	ids, err := o.Matching(finding, filter)
	if err != nil {
		return err
	}
	inboxes, err := s.parkedInboxes(finding, o, a, filter)
	if err != nil {
		return err
	}
	if len(ids)+len(inboxes) == 0 {
		s.say("There is nothing to %s.", a.verb)
		return s.report(a.doing, nil)
	}
	if !a.yes {
		what := count(len(ids), "conversation")
		if len(inboxes) > 0 {
			what += " and " + inboxCount(len(inboxes))
		}
		if err := s.confirm(capital(a.verb) + " " + what + "?"); err != nil {
			return err
		}
	}
	done := operate.Each(ctx, ids, func(ctx context.Context, id string) (string, error) {
		ctx, cancel := s.bounded(ctx)
		defer cancel()
		status, err := a.do(ctx, o, id)
		return string(status.State), err
	})
	done = append(done, operate.Each(ctx, inboxes, func(ctx context.Context, id string) (string, error) {
		ctx, cancel := s.bounded(ctx)
		defer cancel()
		status, err := o.ResumeInbox(ctx, id, workflows.ResumeRequest{By: s.operatorName()})
		return string(status.State), err
	})...)
	return s.report(a.doing, done)
}

// parkedInboxes are the inboxes to resume together with their conversations: the same
// cause parked both.
func (s *starter) parkedInboxes(ctx context.Context, o *operate.Operator, a *action, f records.Filter) ([]string, error) {
	parked := string(workflows.StateNeedsAttention)
	if a.verb != "resume" || f.Simulation != "" || f.Query != "" || strings.Join(f.Statuses, ",") != parked {
		return nil, nil
	}
	return o.Inboxes(ctx, records.Filter{Platform: f.Platform, Project: f.Project, Agent: f.Agent, Statuses: []string{parked}})
}

// report writes the results, and returns the exit code.
func (s *starter) report(doing string, done []operate.Result) error {
	if s.inJSON() {
		if done == nil {
			done = []operate.Result{}
		}
		if err := s.document(map[string]any{"action": doing, "results": done}); err != nil {
			return err
		}
	}
	var failed []error
	for _, d := range done {
		switch {
		case d.Err != nil:
			failed = append(failed, d.Err)
			if len(done) > 1 {
				s.say("starter: %v", d.Err)
			}
		case !s.inJSON():
			s.print("%s %s\n", doing, d.ID)
		}
	}
	switch {
	case len(failed) == 0:
		return nil
	case len(done) == 1:
		return failed[0]
	}
	s.say("starter: %d of %d failed", len(failed), len(done))
	for _, err := range failed {
		if records.KindOf(err) != records.NotFound {
			return exit(codeFailed)
		}
	}
	return exit(codeNotFound)
}

func inboxCount(n int) string {
	if n == 1 {
		return "1 inbox"
	}
	return fmt.Sprintf("%d inboxes", n)
}

func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

func (s *starter) takeoverCommand() *cobra.Command {
	var req workflows.TakeoverRequest
	cmd := &cobra.Command{
		Use: "takeover CONVERSATION", Long: takeoverHelp, Example: takeoverExample, Args: oneConversation,
		RunE: s.does(func(ctx context.Context, args []string) error { return s.takeover(ctx, args[0], req) }),
	}
	cmd.Flags().StringVar(&req.Text, "text", "", "the message; - reads it from standard input")
	cmd.Flags().BoolVar(&req.End, "end", false, "end the conversation after it")
	s.flags.registerAs(cmd.Flags())
	return cmd
}

func (s *starter) takeover(ctx context.Context, name string, req workflows.TakeoverRequest) error {
	if req.Text == "-" {
		text, err := io.ReadAll(s.stdin)
		if err != nil {
			return fmt.Errorf("read the text: %w", err)
		}
		req.Text = strings.TrimRight(string(text), "\r\n")
	}
	if strings.TrimSpace(req.Text) == "" {
		return usage(errors.New("the message is missing: give --text"))
	}
	req.By = s.operatorName()
	a := &action{doing: "taking over", do: func(ctx context.Context, o *operate.Operator, id string) (workflows.Status, error) {
		return o.Takeover(ctx, id, req)
	}}
	return s.act(ctx, a, []string{name})
}
