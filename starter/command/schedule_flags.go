package command

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/duration"
	"github.com/parley-run/parley/internal/schedules"
)

// scheduleFlags are the flags of create and update.
type scheduleFlags struct {
	agent   string
	times   schedules.Times
	task    schedules.Task
	retries int
	rules   schedules.Rules
	overlap string
	note    string
}

func (f *scheduleFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.agent, "agent", "", "the agent, by its `name` in the configuration")
	flags.StringArrayVar(&f.times.Cron, "cron", nil, "run at the times of this `expression`; may be given several times")
	flags.StringVar(&f.times.Every, "every", "", "run at this `interval`, or day and time of day")
	flags.Var(duration.NewFlag(&f.times.Offset, 0), "offset", "with an interval: delay after its multiples")
	flags.StringVar(&f.times.At, "at", "", "run once, at this `time`")
	flags.StringVar(&f.times.Zone, "timezone", "", "the IANA `name` of the time zone (default UTC)")
	flags.Var(duration.NewFlag(&f.times.Jitter, 0), "jitter", "delay each run at random, by up to this much")
	flags.StringVar(&f.task.Message, "message", "", "the message to the agent")
	flags.StringVar(&f.task.Params, "params", "", "`JSON` object with the agent's params; @FILE reads it")
	flags.StringVar(&f.task.Payload, "payload", "", "`JSON` object: the whole task; @FILE reads it")
	flags.StringVar(&f.task.Args, "args", "", "`JSON` list of positional arguments, for agents that take them")
	flags.StringVar(&f.task.AgentID, "agent-id", "", "`id` of the agent that the task runs")
	flags.StringVar(&f.task.Entrypoint, "entrypoint", "", "`tag` of its entrypoint")
	flags.StringVar(&f.task.UserID, "user-id", "", "`id` of the user it runs for")
	flags.StringVar(&f.task.Executor, "executor-type", "", "`name` of the executor, one of those that the agent's policy allows")
	flags.Var(duration.NewFlag(&f.task.Timeout, 0), "task-timeout", "how long a run may take, retries included (default 10m)")
	flags.StringVar(&f.task.Callback, "callback", "", "`URL` that receives the result of each run")
	flags.Var(duration.NewFlag(&f.task.CallbackTimeout, 0), "callback-timeout", "how long one attempt at the callback may take (default 30s)")
	flags.IntVar(&f.retries, "callback-retries", 3, "how often a failed callback is retried")
	flags.IntVar(&f.rules.Times, "times", 0, "run this often in all; 0 is without end")
	flags.StringVar(&f.overlap, "overlap", "", "while the previous run is open: skip, buffer-one, buffer-all, cancel-other or allow (default skip)")
	flags.Var(duration.NewFlag(&f.rules.CatchUp, 0), "catch-up", "how late a run may begin after Temporal was down (default a year)")
	flags.StringVar(&f.note, "note", "", "a remark that list and show print")
}

// settle reads files, and collects the given values.
func (f *scheduleFlags) settle(s *starter, flags *pflag.FlagSet) error {
	f.rules.Overlap = schedules.Overlap(f.overlap)
	if flags.Changed("callback-retries") {
		f.task.CallbackRetries = &f.retries
	}
	for _, flag := range []struct {
		name  string
		value *string
	}{{"params", &f.task.Params}, {"payload", &f.task.Payload}, {"args", &f.task.Args}} {
		text, err := s.fileOr(*flag.value)
		switch {
		case err != nil:
			return usagef("--%s: %v", flag.name, err)
		case flags.Changed(flag.name) && strings.TrimSpace(text) == "":
			return usagef("--%s is empty", flag.name)
		}
		*flag.value = text
	}
	for _, name := range []string{"cron", "every", "at", "message", "callback"} {
		if flag := flags.Lookup(name); flag.Changed && strings.Trim(flag.Value.String(), "[] ") == "" {
			return usagef("--%s is empty", name)
		}
	}
	for name, value := range map[string]time.Duration{"task-timeout": f.task.Timeout, "callback-timeout": f.task.CallbackTimeout} {
		if flags.Changed(name) && value <= 0 {
			return usagef("--%s %v: give more than 0", name, value)
		}
	}
	if flags.Changed("times") && f.rules.Times < 1 {
		return usagef("--times %d: give 1 or more, or leave it out", f.rules.Times)
	}
	return nil
}

// fileOr reads @FILE and @-; any other value is itself.
func (s *starter) fileOr(text string) (string, error) {
	path, named := strings.CutPrefix(text, "@")
	if !named {
		return text, nil
	}
	if path == "-" {
		read, err := io.ReadAll(s.stdin)
		return string(read), err
	}
	read, err := os.ReadFile(path)
	return string(read), err
}

// scheduledAgent is the agent of the runs. Without a configuration only its name is
// known.
func (s *starter) scheduledAgent(name, executorType string) (config.Agent, error) {
	if s.unconfigured() {
		if name == "" {
			return config.Agent{}, usagef("the agent is missing: give --agent")
		}
		return config.Agent{Name: name}, nil
	}
	c, err := s.configuration()
	if err != nil {
		return config.Agent{}, err
	}
	names := []string{name}
	if name == "" {
		names = nil
	}
	chosen, err := chooseAgents(c.Agents, names, false)
	if err != nil {
		return config.Agent{}, err
	}
	return chosen[0], allowedExecutor(chosen[0], executorType)
}

// allowedExecutor finds a mistyped name before the first run fails because of it.
func allowedExecutor(a config.Agent, name string) error {
	name = strings.ToLower(strings.TrimSpace(name))
	if name == "" || name == "auto" || name == a.Policy.Executor {
		return nil
	}
	for _, allowed := range a.Policy.Executors {
		if allowed == name {
			return nil
		}
	}
	there := strings.Join(append([]string{a.Policy.Executor}, a.Policy.Executors...), ", ")
	return usagef("agent %q may not use executor %q: there are %s", a.Name, name, there)
}

func (s *starter) scheduleCreate() *cobra.Command {
	var f scheduleFlags
	var paused bool
	cmd := &cobra.Command{Use: "create NAME", Long: scheduleCreateHelp, Example: scheduleCreateExample, Args: oneSchedule}
	f.register(cmd.Flags())
	cmd.Flags().BoolVar(&paused, "paused", false, "do not run it until it is resumed")
	cmd.RunE = func(c *cobra.Command, args []string) error {
		s.began = true
		ctx := c.Context()
		if err := f.settle(s, c.Flags()); err != nil {
			return err
		}
		agent, err := s.scheduledAgent(f.agent, f.task.Executor)
		if err != nil {
			return err
		}
		plan := schedules.Plan{
			Name: args[0], Agent: agent.Name, Policy: agent.Policy,
			Times: f.times, Task: f.task, Rules: f.rules, Paused: paused, Note: f.note,
		}
		if err := plan.Check(time.Now()); err != nil {
			return err
		}
		k, err := s.keeper(ctx)
		if err != nil {
			return err
		}
		ctx, cancel := s.bounded(ctx)
		defer cancel()
		sc, err := k.Create(ctx, plan)
		if err != nil {
			return err
		}
		if !s.inJSON() {
			s.print("created %s\n", sc.Name)
		}
		if sc.Done() && sc.Runs == 0 && plan.Times.At == "" {
			s.say("These times never come: it will not run.")
		}
		return s.tellSchedule(sc, false)
	}
	return cmd
}

func (s *starter) scheduleUpdate() *cobra.Command {
	var f scheduleFlags
	cmd := &cobra.Command{Use: "update NAME", Long: scheduleUpdateHelp, Example: scheduleUpdateExample, Args: oneSchedule}
	f.register(cmd.Flags())
	cmd.RunE = func(c *cobra.Command, args []string) error {
		s.began = true
		ctx := c.Context()
		if err := f.settle(s, c.Flags()); err != nil {
			return err
		}
		if given := givenFlags(c.LocalNonPersistentFlags()); given == 0 {
			return usage(errors.New("there is no change: `starter schedule update --help` lists the flags"))
		}
		change := schedules.Change{Times: f.times, Task: f.task, Rules: f.rules, Note: f.note}
		if f.agent != "" {
			agent, err := s.scheduledAgent(f.agent, f.task.Executor)
			if err != nil {
				return err
			}
			change.Agent, change.Policy = agent.Name, agent.Policy
		}
		k, err := s.keeper(ctx)
		if err != nil {
			return err
		}
		ctx, cancel := s.bounded(ctx)
		defer cancel()
		sc, err := k.Update(ctx, args[0], change)
		if err != nil {
			return err
		}
		if !s.inJSON() {
			s.print("updated %s\n", sc.Name)
		}
		return s.tellSchedule(sc, false)
	}
	return cmd
}

func givenFlags(flags *pflag.FlagSet) int {
	n := 0
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed {
			n++
		}
	})
	return n
}

// scheduleQuestion is what delete asks.
func scheduleQuestion(sc schedules.Schedule) string {
	return fmt.Sprintf("Delete schedule %s of agent %s (%s)?", sc.Name, sc.Agent, strings.Join(sc.When, "; "))
}
