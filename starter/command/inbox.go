package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

func (s *starter) inboxCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "inbox", Long: inboxHelp, Example: inboxExample,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("inbox has no command %q: use status, start, stop, pause or resume", args[0])
			}
			return errors.New("inbox needs a command: status, start, stop, pause or resume")
		},
		RunE: func(*cobra.Command, []string) error { return nil }, // its Args rejects every argument
	}
	cmd.AddCommand(
		&cobra.Command{Use: "status [AGENT…]", Long: inboxHelp, Example: inboxExample, RunE: s.does(s.inboxStatus)},
		s.inboxStart(), s.inboxStop(), s.inboxPause(), s.inboxResume(),
	)
	return cmd
}

func (s *starter) inboxStatus(ctx context.Context, names []string) error {
	ids, err := s.inboxIDs(names)
	if err != nil {
		return err
	}
	o, err := s.operator(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	if len(names) == 0 {
		// The namespace may have inboxes that this configuration does not know.
		running, err := o.Inboxes(ctx, records.Filter{})
		if err != nil {
			return err
		}
		ids = union(ids, running)
	}
	inboxes := make([]operate.Inbox, 0, len(ids))
	for _, id := range ids {
		platform, project, agent := splitInboxID(id)
		in, err := o.Inbox(ctx, platform, project, agent)
		if err != nil {
			return err
		}
		if in.Name == "" {
			in.Name = s.agentName(platform, project, agent)
		}
		inboxes = append(inboxes, in)
	}
	if s.inJSON() {
		return s.document(map[string]any{"inboxes": inboxes})
	}
	s.print("%s", inboxTable(inboxes, time.Now()))
	return nil
}

func inboxTable(inboxes []operate.Inbox, now time.Time) string {
	if len(inboxes) == 0 {
		return "no inboxes\n"
	}
	rows := make([][]string, len(inboxes))
	var remarks strings.Builder
	for i, in := range inboxes {
		name := in.Name
		if name == "" {
			name = in.Agent
		}
		name = clip(name, 200)
		polled := age(in.LastPoll, now)
		rows[i] = []string{
			name, in.Platform, words(in.State), openOf(in), fmt.Sprint(in.Parked), fmt.Sprint(in.Waiting), fmt.Sprint(in.Started), polled, in.Executor,
		}
		if a := in.Attention; a != nil {
			fmt.Fprintf(&remarks, "\n%s: %s since %s: %s\n", name, words(in.State), clock(a.Since, now), clip(a.Reason, 500))
			if a.Remedy != "" {
				fmt.Fprintf(&remarks, "   remedy: %s\n", clip(a.Remedy, 500))
			}
		}
		if remark := reducedRemark(in, now); remark != "" {
			fmt.Fprintf(&remarks, "\n%s: %s\n", name, clip(remark, 500))
		}
		for _, remark := range inboxRemarks(in, now) {
			fmt.Fprintf(&remarks, "\n%s: %s\n", name, clip(remark, 500))
		}
		for _, advice := range in.Advice {
			fmt.Fprintf(&remarks, "\n%s: %s\n", name, clip(advice, 500))
		}
		if in.LastError != "" {
			fmt.Fprintf(&remarks, "\n%s: %s\n", name, clip(in.LastError, 500))
		}
	}
	return tabulate([]string{"agent", "platform", "state", "open", "parked", "waiting", "started", "last poll", "executor"}, rows) + remarks.String()
}

// openOf is how many conversations are open, of how many.
func openOf(in operate.Inbox) string {
	if in.Limit == 0 {
		return fmt.Sprint(in.Open)
	}
	return fmt.Sprintf("%d of %d", in.Open, mayBeOpen(in))
}

// mayBeOpen is how many may be open now.
func mayBeOpen(in operate.Inbox) int {
	if in.Reduced != nil {
		return min(in.Limit, in.Reduced.Limit)
	}
	return in.Limit
}

// reducedRemark says why fewer may be open than configured. Empty: as many may.
func reducedRemark(in operate.Inbox, now time.Time) string {
	r := in.Reduced
	if r == nil {
		return ""
	}
	return fmt.Sprintf("open %d of %d (limit %d, reduced %s: %s)", in.Open, mayBeOpen(in), in.Limit, age(r.Since, now), r.Reason)
}

// inboxRemarks explain the numbers of an inbox.
func inboxRemarks(in operate.Inbox, now time.Time) (all []string) {
	for _, tr := range in.Outages {
		if tr.Stops {
			continue // reported as the attention
		}
		all = append(all, fmt.Sprintf("%s %s fails since %s (%s): %s",
			tr.Source.Type, tr.Source.Name, clock(tr.Since, now), count(tr.Count, "time"), tr.Reason))
	}
	if in.Queued > 0 {
		all = append(all, count(in.Queued, "conversation")+" wait for capacity: resumed, or started by hand")
	}
	if in.Stranded > 0 {
		all = append(all, fmt.Sprintf("no worker can run %s: starter list --status stranded", count(in.Stranded, "open conversation")))
	}
	if in.WorkerGone && in.LastError == "" {
		all = append(all, fmt.Sprintf("worker %s, which polled last, has gone: another continues within half a minute", in.Worker))
	}
	if in.Orphans > 0 {
		all = append(all, fmt.Sprintf("%s in progress that no workflow runs: set adopt_after, or use starter run --adopt, to adopt them", count(in.Orphans, "conversation")))
	}
	for _, s := range in.Skipped {
		what := "simulation " + s.Simulation
		if s.ID != "" {
			what = "conversation " + s.ID
		}
		all = append(all, fmt.Sprintf("skipped since %s: %s: %s", clock(s.Since, now), what, s.Reason))
	}
	if more := in.SkippedCount - len(in.Skipped); more > 0 && len(in.Skipped) > 0 {
		all = append(all, fmt.Sprintf("skipped: %d more", more))
	}
	return all
}

func (s *starter) inboxStart() *cobra.Command {
	cmd := s.inboxAction("start", "starting", func(ctx context.Context, o *operate.Operator, in workflows.InboxInput) (string, error) {
		err := launch.Launcher{Client: o.Client, TaskQueue: o.TaskQueue}.Inbox(ctx, in)
		if err != nil {
			return "", o.Explain(fmt.Sprintf("start inbox of %q", in.Settings.AgentName), errors.Unwrap(err))
		}
		// An inbox that runs already gets the settings alone: its history has no other trace.
		err = o.Record(ctx, operate.Act{Action: operate.ActionStart, By: s.operatorName(), Inbox: workflows.InboxID(in.Platform, in.Project, in.Agent)})
		return string(workflows.InboxPolling), err
	})
	s.flags.registerAs(cmd.Flags())
	return cmd
}

func (s *starter) inboxStop() *cobra.Command {
	cmd := s.inboxAction("stop", "stopping", func(ctx context.Context, o *operate.Operator, in workflows.InboxInput) (string, error) {
		_, err := o.StopInbox(ctx, workflows.InboxID(in.Platform, in.Project, in.Agent), workflows.EndRequest{By: s.operatorName()})
		return string(workflows.InboxStopped), err
	})
	s.flags.registerAs(cmd.Flags())
	return cmd
}

func (s *starter) inboxPause() *cobra.Command {
	var req workflows.PauseRequest
	cmd := s.inboxAction("pause", "pausing", func(ctx context.Context, o *operate.Operator, in workflows.InboxInput) (string, error) {
		req := req // several inboxes at once
		req.By = s.operatorName()
		status, err := o.PauseInbox(ctx, workflows.InboxID(in.Platform, in.Project, in.Agent), req)
		return string(status.State), err
	})
	cmd.Flags().StringVar(&req.Reason, "reason", "", "the reason, shown while it lasts")
	s.flags.registerAs(cmd.Flags())
	return cmd
}

func (s *starter) inboxResume() *cobra.Command {
	cmd := s.inboxAction("resume", "resuming", func(ctx context.Context, o *operate.Operator, in workflows.InboxInput) (string, error) {
		status, err := o.ResumeInbox(ctx, workflows.InboxID(in.Platform, in.Project, in.Agent), workflows.ResumeRequest{By: s.operatorName()})
		return string(status.State), err
	})
	s.flags.registerAs(cmd.Flags())
	return cmd
}

func (s *starter) inboxAction(
	verb, doing string,
	do func(context.Context, *operate.Operator, workflows.InboxInput) (string, error),
) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: verb + " [AGENT…]", Long: inboxHelp, Example: inboxExample,
		RunE: s.does(func(ctx context.Context, names []string) error {
			// With its backends: an inbox must not start with settings that a worker would
			// refuse.
			assembly, err := s.assembly()
			if err != nil {
				return err
			}
			agents, err := chooseAgents(assembly.Config.Agents, names, all)
			if err != nil {
				return err
			}
			o, err := s.operator(ctx)
			if err != nil {
				return err
			}
			inputs := make(map[string]workflows.InboxInput)
			for _, in := range assembly.Inboxes {
				inputs[workflows.InboxID(in.Platform, in.Project, in.Agent)] = in
			}
			ids, without := withInbox(agents, inputs)
			if len(without) > 0 && !all {
				return usagef("%s: it has no inbox, because its platform has no list of assignments", strings.Join(without, ", "))
			}
			return s.report(doing, operate.Each(ctx, ids, func(ctx context.Context, id string) (string, error) {
				ctx, cancel := s.bounded(ctx)
				defer cancel()
				return do(ctx, o, inputs[id])
			}))
		}),
	}
	cmd.Flags().BoolVar(&all, "all", false, "every agent of the configuration")
	return cmd
}

// withInbox are the inboxes of the agents that have one, and the names of the agents
// that have none.
func withInbox(agents []config.Agent, inputs map[string]workflows.InboxInput) (ids, without []string) {
	for _, a := range agents {
		id := workflows.InboxID(a.Platform, a.Project, a.Agent)
		if _, ok := inputs[id]; ok {
			ids = append(ids, id)
		} else {
			without = append(without, fmt.Sprintf("agent %q", a.Name))
		}
	}
	return ids, without
}

// inboxIDs are the inboxes of the named agents. Without names they are those of the
// configuration, if there is one, else those in Temporal.
func (s *starter) inboxIDs(names []string) ([]string, error) {
	c, err := s.configuration()
	if err != nil {
		if len(names) > 0 || s.flags.config != "" {
			return nil, err
		}
		return nil, nil
	}
	agents, err := chooseAgents(c.Agents, names, true)
	if err != nil {
		return nil, err
	}
	return agentInboxes(agents), nil
}

func agentInboxes(agents []config.Agent) []string {
	ids := make([]string, len(agents))
	for i, a := range agents {
		ids[i] = workflows.InboxID(a.Platform, a.Project, a.Agent)
	}
	return ids
}

func (s *starter) agentName(platform, project, agent string) string {
	if s.settings == nil {
		return ""
	}
	for _, a := range s.settings.Agents {
		if a.Platform == platform && a.Project == project && a.Agent == agent {
			return a.Name
		}
	}
	return ""
}

// splitInboxID is the inverse of workflows.InboxID.
func splitInboxID(id string) (platform, project, agent string) {
	parts := strings.SplitN(id, "/", 4)
	for len(parts) < 4 {
		parts = append(parts, "")
	}
	return parts[1], parts[2], parts[3]
}

// union adds to a what only b has.
func union(a, b []string) []string {
	have := make(map[string]bool)
	for _, x := range a {
		have[x] = true
	}
	for _, x := range b {
		if !have[x] {
			a = append(a, x)
		}
	}
	return a
}
