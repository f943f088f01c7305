package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/parley-run/parley/internal/assemble"
	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/workflows"
)

type runFlags struct {
	platform, project, agent, simulation, executor string
	again, adopt, wait                             bool
	limit                                          int
}

func (s *starter) runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use: "run [CONVERSATION…]", Long: runHelp, Example: runExample,
		RunE: s.does(func(ctx context.Context, names []string) error { return s.begin(ctx, f, names) }),
	}
	flags := cmd.Flags()
	flags.StringVar(&f.agent, "agent", "", "the agent, by its `name` in the configuration or its id")
	flags.StringVar(&f.platform, "platform", "", "only agents of a platform, by its `name` in the configuration")
	flags.StringVar(&f.project, "project", "", "only agents in a project, by its `id`")
	flags.StringVar(&f.simulation, "simulation", "", "all that wait in a simulation, by its `id`; or the simulation of the named ones")
	flags.StringVar(&f.executor, "executor", "", "use this `executor` instead of the agent's")
	flags.IntVar(&f.limit, "limit", 0, "start at most this many; 0 starts all")
	flags.BoolVar(&f.again, "again", false, "run conversations again that have been run before")
	flags.BoolVar(&f.adopt, "adopt", false, "adopt the named ones if they were claimed and abandoned")
	flags.BoolVar(&f.wait, "wait", false, "wait until all have ended or need attention")
	s.flags.registerAs(flags)
	return cmd
}

// begun is the result of starting one conversation.
type begun struct {
	ID         string `json:"id"`
	Simulation string `json:"simulation,omitempty"`
	Persona    string `json:"persona,omitempty"`
	// Started is false if it runs already, or has run and must not run again.
	Started bool   `json:"started"`
	Error   string `json:"error,omitempty"`
	// Result is its ending, with --wait.
	Result *records.Conversation `json:"result,omitempty"`

	err error
}

func (s *starter) begin(ctx context.Context, f runFlags, names []string) error {
	if f.adopt && len(names) == 0 {
		return usagef("--adopt needs named conversations: adopt_after lets the inbox adopt all")
	}
	assembly, err := s.assembly()
	if err != nil {
		return err
	}
	agents, err := f.agents(assembly.Config, names)
	if err != nil {
		return err
	}
	if err := knownExecutor(assembly.Config, f.executor); err != nil {
		return err
	}
	finding, cancel := s.bounded(ctx)
	defer cancel()
	found, err := find(finding, assembly, agents, f, names, s.say)
	if err != nil {
		return err
	}
	if f.limit > 0 && len(found) > f.limit {
		found = found[:f.limit]
	}
	o, err := s.operator(ctx)
	if err != nil {
		return err
	}
	ctx, stop := s.lasting(ctx)
	defer stop()
	all := s.start(ctx, o, assembly, f, found)
	s.sayBegun(all)
	if f.wait {
		if err := s.await(ctx, o, all); err != nil {
			return err
		}
	}
	return s.reportBegun(all)
}

// start starts the workflows.
func (s *starter) start(ctx context.Context, o *operate.Operator, assembly *assemble.Assembly, f runFlags, found []candidate) []begun {
	launcher := launch.Launcher{Client: o.Client, TaskQueue: o.TaskQueue, ShowPersona: launch.Plain(o.Converter)}
	var (
		all []begun
		ids []string
		by  = make(map[string]candidate, len(found))
	)
	for _, c := range found {
		id := workflows.ConversationID(c.Ref)
		if _, twice := by[id]; twice {
			continue
		}
		by[id] = c
		ids = append(ids, id)
		all = append(all, begun{ID: id, Simulation: c.Ref.Simulation, Persona: c.Persona})
	}
	const begins = "started"
	done := operate.Each(ctx, ids, func(ctx context.Context, id string) (string, error) {
		c := by[id]
		policy := c.agent.Policy
		policy.Executor = cmp.Or(f.executor, policy.Executor)
		ctx, cancel := s.bounded(ctx)
		defer cancel()
		platform := assembly.Platforms[c.Ref.Platform]
		_, task := platforms.As[platforms.Tasks](platform.Platform)
		started, err := launcher.Conversation(ctx, launch.Conversation{
			Input: workflows.ConversationInput{
				Ref: c.Ref, Policy: policy, Side: workflows.ListedSide(task), Adopt: c.adopt, CountedIn: workflows.Counted(platform.MaxOpen), By: s.operatorName(),
			},
			Persona: c.Persona,
			Again:   f.again || c.adopt,
		})
		if !started {
			return "", o.Explain(fmt.Sprintf("start %q", id), errors.Unwrap(err)) // the launcher's text has the same beginning
		}
		return begins, nil
	})
	for i, d := range done {
		all[i].Started, all[i].err, all[i].Error = d.Status == begins, d.Err, d.Error
	}
	return all
}

// await waits for the running ones, and reports how each ends.
func (s *starter) await(ctx context.Context, o *operate.Operator, all []begun) error {
	var ids []string
	at := make(map[string]int)
	for i, b := range all {
		if b.err == nil {
			ids = append(ids, b.ID)
			at[b.ID] = i
		}
	}
	if len(ids) == 0 {
		return nil
	}
	s.say("Waiting for %s.", count(len(ids), "conversation"))
	results, err := o.Await(ctx, ids, func(c records.Conversation) {
		if !s.inJSON() {
			s.print("%s  %s\n", printable.ID(c.ID), printable.Line(ending(c)))
		}
	})
	for _, c := range results {
		all[at[c.ID]].Result = &c
	}
	return err
}

// ending says how a conversation ended, or why the wait for it is over.
func ending(c records.Conversation) string {
	if c.Open {
		return words(c.Status) + ": `starter show " + c.ID + "` shows why"
	}
	return fmt.Sprintf("%s after %s in %s", c.Result(), count(c.Turns, "turn"), span(c.Duration()))
}

// sayBegun lists what was started, and what was not.
func (s *starter) sayBegun(all []begun) {
	started := 0
	for _, b := range all {
		switch {
		case b.err != nil:
			s.say("starter: %v", b.err)
		case b.Started:
			started++
		default:
			s.say("%s runs already, or has run (--again runs it once more)", printable.ID(b.ID))
		}
	}
	if len(all) == 0 {
		s.say("Nothing waits.")
	} else if len(all) > 1 {
		s.say("%d of %s started.", started, count(len(all), "conversation"))
	}
}

// reportBegun writes the output, and returns the exit code.
func (s *starter) reportBegun(all []begun) error {
	var started, failed, needsOperator int
	for _, b := range all {
		switch {
		case b.err != nil:
			failed++
		case b.Started:
			started++
			if b.Result == nil && !s.inJSON() {
				s.print("started %s\n", printable.ID(b.ID))
			}
		}
		if b.Result != nil && b.Result.NeedsOperator() {
			needsOperator++
		}
	}
	if s.inJSON() {
		if all == nil {
			all = []begun{}
		}
		err := s.document(map[string]any{"conversations": all, "started": started, "failed": failed, "needs_operator": needsOperator})
		if err != nil {
			return err
		}
	}
	switch {
	case failed > 0:
		return exit(codeFailed)
	case needsOperator > 0:
		return exit(codeNeedsOperator)
	}
	return nil
}
