package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/assemble"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/connect"
	"github.com/parley-run/parley/internal/joined"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/tools"
	"github.com/parley-run/parley/workflows"
)

func (s *starter) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Long: doctorHelp, Example: doctorExample, Args: noArguments,
		RunE: s.does(func(ctx context.Context, _ []string) error { return s.doctor(ctx) }),
	}
}

// A checkState is how a check ended.
type checkState string

const (
	checkFine    checkState = "fine"
	checkWrong   checkState = "wrong"
	checkSkipped checkState = "skipped" // it could not be checked, or does not matter
)

// A finding is one line of doctor's checklist.
type finding struct {
	Check  string     `json:"check"`
	State  checkState `json:"state"`
	Detail string     `json:"detail,omitempty"`
	// Remedy says how to repair it.
	Remedy string `json:"remedy,omitempty"`
}

// A check examines one thing. Checks run at the same time; their findings are shown in order.
type check func(ctx context.Context) []finding

func (s *starter) doctor(ctx context.Context) error {
	findings, err := s.examine(ctx)
	if err != nil {
		return err
	}
	if s.inJSON() {
		if err := s.document(map[string]any{"checks": findings, "wrong": countWrong(findings)}); err != nil {
			return err
		}
	}
	return verdict(findings)
}

// verdict is the end of a command that has shown the findings.
func verdict(findings []finding) error {
	if countWrong(findings) > 0 {
		return exit(codeFailed)
	}
	return nil
}

func countWrong(findings []finding) int {
	wrong := 0
	for _, f := range findings {
		if f.State == checkWrong {
			wrong++
		}
	}
	return wrong
}

// examine runs all checks, and shows what they find unless the output is JSON.
func (s *starter) examine(ctx context.Context) ([]finding, error) {
	s.examining = true
	assembly, configuration := s.examineConfiguration()
	configuration = append(configuration, s.examineEncryption(ctx)...)
	var inboxes []workflows.InboxInput
	if assembly != nil {
		inboxes = assembly.Inboxes
	}
	checks := []check{func(ctx context.Context) []finding { return s.examineTemporal(ctx, inboxes) }}
	if assembly != nil {
		for _, agent := range assembly.Config.Agents {
			checks = append(checks, func(ctx context.Context) []finding { return examineAgent(ctx, assembly, agent) })
		}
		checks = append(checks, func(ctx context.Context) []finding {
			return examineExecutors(ctx, assembly.Executors, neededExecutors(assembly))
		}, func(ctx context.Context) []finding {
			return examineTools(ctx, assembly.Tools, assembly.Config.Agents)
		}, func(ctx context.Context) []finding {
			return examineUse(assembly.Executors.List(ctx), assembly.Config.Agents, assembly.Speakers)
		})
	} else {
		checks = append(checks, func(context.Context) []finding {
			return []finding{{Check: "platforms", State: checkSkipped, Detail: "no usable configuration"}}
		}, func(ctx context.Context) []finding {
			assembly, err := s.speakers()
			if err != nil {
				return []finding{{Check: "executors", State: checkSkipped, Detail: "no usable configuration"}}
			}
			return append(examineExecutors(ctx, assembly.Executors, []string{executors.Auto}), examineTools(ctx, assembly.Tools, nil)...)
		})
	}
	findings := configuration
	s.showFindings(configuration)
	results := make([]chan []finding, len(checks))
	for i, run := range checks {
		results[i] = make(chan []finding, 1)
		go func() {
			ctx, cancel := s.bounded(ctx)
			defer cancel()
			results[i] <- run(ctx)
		}()
	}
	for _, result := range results {
		found := <-result
		findings = append(findings, found...)
		s.showFindings(found)
	}
	return findings, ctx.Err()
}

func (s *starter) showFindings(findings []finding) {
	if s.inJSON() {
		return
	}
	for _, f := range findings {
		s.print("%s", findingText(f))
	}
}

func findingText(f finding) string {
	mark := map[checkState]string{checkFine: "✓", checkWrong: "✗", checkSkipped: "–"}[f.State]
	text := mark + " " + printable.Line(f.Check)
	if f.Detail != "" {
		text += ": " + clip(f.Detail, 600)
	}
	text += "\n"
	if f.Remedy != "" {
		text += "    → " + clip(f.Remedy, 600) + "\n"
	}
	return text
}

// wrong makes a finding of an error, its remedy apart from it where it has one.
func wrong(what string, err error) finding {
	f := finding{Check: what, State: checkWrong}
	var temporal *connect.Error
	if errors.As(err, &temporal) {
		f.Detail, f.Remedy = temporal.Text, temporal.Remedy
		return f
	}
	f.Detail, f.Remedy = conversation.Explain(err)
	return f
}

func (s *starter) examineConfiguration() (*assemble.Assembly, []finding) {
	assembly, err := s.assembly()
	if err == nil {
		c := assembly.Config
		found := []finding{{Check: "configuration", State: checkFine, Detail: fmt.Sprintf("%s: %s, %s",
			c.From(), count(len(c.Platforms), "platform"), count(len(c.Agents), "agent"))}}
		for _, exposed := range c.Exposed() {
			found = append(found, finding{Check: "configuration", State: checkSkipped, Detail: "warning: " + exposed.Error()})
		}
		return assembly, found
	}
	if s.unconfigured() { // as beside the demo: whether workers run is checked all the same
		return nil, []finding{{Check: "configuration", State: checkSkipped,
			Detail: fmt.Sprintf("there is none here: no --config, no PARLEY_CONFIG, no %s, and no variables of a platform", config.DefaultFile),
			Remedy: "not needed for a worker that runs already, such as the demo's; for one of your own, starter init writes it"}}
	}
	var faults config.Faults
	if !errors.As(err, &faults) {
		return nil, []finding{wrong("configuration", err)}
	}
	var found []finding
	for _, f := range faults {
		found = append(found, finding{Check: "configuration", State: checkWrong, Detail: f.Error()})
	}
	return nil, found
}

// examineEncryption reads the keys. Without any configured it says nothing.
func (s *starter) examineEncryption(ctx context.Context) []finding {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	ring, err := s.ring(ctx)
	switch {
	case err != nil:
		return []finding{wrong("encryption", err)}
	case ring == nil:
		return nil
	}
	return []finding{{Check: "encryption", State: checkFine, Detail: fmt.Sprintf("key %s encrypts; keys: %s", ring.Current(), strings.Join(ring.Names(), ", "))}}
}

// examineTemporal checks the server, its namespace, the search attributes, the
// workers, and their workflows. Each check needs those before it.
func (s *starter) examineTemporal(ctx context.Context, inboxes []workflows.InboxInput) []finding {
	rest := []string{"namespace", "search attributes", "workers", "inboxes", "conversations"}
	skip := func(found []finding, from int, why string) []finding {
		for _, name := range rest[from:] {
			found = append(found, finding{Check: name, State: checkSkipped, Detail: why})
		}
		return found
	}
	o, err := s.operator(ctx)
	switch {
	case errors.Is(err, connect.ErrNamespace):
		return skip([]finding{{Check: "Temporal", State: checkFine}, wrong("namespace", err)}, 1, "no namespace")
	case err != nil:
		return skip([]finding{wrong("Temporal", err)}, 0, "no connection to Temporal")
	}
	found := []finding{
		{Check: "Temporal", State: checkFine, Detail: o.Address},
		examineNamespace(ctx, o),
	}
	attributes, usable := examineAttributes(ctx, o)
	found = append(append(found, attributes), examineWorkers(ctx, o)...)
	if !usable { // no workflow of Parley can have started there
		return skip(found, 3, "no search attributes")
	}
	found = append(found, s.examineInboxes(ctx, o, inboxes)...)
	return append(append(found, examineConversations(ctx, o)...), examineUI(o))
}

// examineAttributes decides as a starting worker does, which adds missing attributes if it may.
func examineAttributes(ctx context.Context, o *operate.Operator) (f finding, usable bool) {
	f = finding{Check: "search attributes", State: checkFine}
	have, err := connect.CheckSearchAttributes(ctx, o.Client, o.Namespace)
	switch {
	case err != nil:
		return wrong(f.Check, err), false
	case len(have.Missing) == 0:
		return f, true
	case have.Addable:
		f.State, f.Detail = checkSkipped, "missing: "+strings.Join(have.Missing, ", ")+"; a worker adds them when it starts"
		f.Remedy = "or run `starter setup`"
		return f, false
	}
	return wrong(f.Check, have.Refused(o.Namespace, nil)), false
}

// examineAgent asks the platform of an agent about address, key and the agent.
func examineAgent(ctx context.Context, assembly *assemble.Assembly, agent config.Agent) []finding {
	name := fmt.Sprintf("agent %s on platform %s", agent.Name, agent.Platform)
	instance, ok := assembly.Platforms[agent.Platform]
	if !ok {
		return []finding{{Check: name, State: checkFine}} // direct: there is no platform
	}
	err := instance.Platform.Check(ctx, agent.Project, agent.Agent)
	if err == nil {
		return []finding{{Check: name, State: checkFine}}
	}
	var found []finding
	for _, one := range joined.Errors(err) {
		found = append(found, wrong(name, one))
	}
	return found
}

// examineExecutors finds unavailable executors. One that no agent needs may be
// unavailable.
func examineExecutors(ctx context.Context, registry *executors.Registry, needed []string) []finding {
	var found []finding
	auto := false
	for _, l := range registry.List(ctx) {
		auto = auto || l.Auto
		f := finding{Check: "executor " + l.Name, State: checkFine, Detail: strings.TrimSpace(l.Backend + " " + l.Model)}
		if !l.Available {
			f = wrong(f.Check, l.Err)
			if !slices.Contains(needed, l.Name) {
				f.State = checkSkipped
				f.Detail += "; no agent names it"
			}
		}
		found = append(found, f)
	}
	if slices.Contains(needed, executors.Auto) && !auto {
		found = append(found, finding{Check: "executor " + executors.Auto, State: checkWrong, Detail: "no executor is available",
			Remedy: "repair one of those above"})
	}
	return found
}

// neededExecutors are those of all agents, the links of chains included.
func neededExecutors(assembly *assemble.Assembly) []string {
	var names []string
	for _, a := range assembly.Config.Agents {
		names = append(names, assembly.Speakers(a)...)
	}
	return names
}

// examineTools lists the tools of the configured sets. A set that no agent
// needs may be unavailable.
func examineTools(ctx context.Context, registry *tools.Registry, agents []config.Agent) []finding {
	var found []finding
	for _, l := range registry.List(ctx) {
		needed := false
		for _, a := range agents {
			needed = needed || slices.ContainsFunc(a.Policy.Tools, func(name string) bool { return setOf(name) == l.Name })
		}
		f := finding{Check: "tools " + l.Name, State: checkFine, Detail: toolsDetail(l)}
		switch {
		case len(l.Faults) > 0:
			f.State, f.Detail = checkWrong, f.Detail+"; "+l.Reason
			f.Remedy = fmt.Sprintf("write the names that it has into allow, ask and retry of tools.%s", l.Name)
		case l.Available && l.Reason != "":
			f.Detail += "; " + l.Reason
		case !l.Available:
			f = wrong(f.Check, l.Err)
			if !needed {
				f.State = checkSkipped
				f.Detail += "; no agent names it"
			}
		}
		found = append(found, f)
		if l.Available {
			found = append(found, missedTools(l, agents)...)
		}
	}
	return found
}

// toolsDetail says how many tools there are, and how their calls are treated.
func toolsDetail(l tools.Listing) string {
	text := count(len(l.Tools), "tool")
	for _, of := range []struct {
		what  string
		names []string
	}{{"approval required", l.Ask}, {"called again if an answer is lost", l.Repeatable}} {
		if len(of.names) > 0 {
			text += "; " + of.what + ": " + clip(strings.Join(of.names, ", "), 200)
		}
	}
	return text
}

// missedTools are the single tools that agents name and the set does not offer:
// the agent's model does not see them.
func missedTools(l tools.Listing, agents []config.Agent) []finding {
	var found []finding
	for _, a := range agents {
		for _, name := range a.Policy.Tools {
			_, tool, single := strings.Cut(name, "/")
			if !single || setOf(name) != l.Name || slices.Contains(l.Tools, tool) {
				continue
			}
			found = append(found, finding{
				Check: "tools " + l.Name, State: checkWrong,
				Detail: fmt.Sprintf("agent %s names %s, which it does not offer", a.Name, name),
				Remedy: fmt.Sprintf("check agents.%s.tools, and allow: it offers %s", a.Name, strings.Join(l.Tools, ", ")),
			})
		}
	}
	return found
}

// setOf is the set that an agent names, by itself or for one tool of it.
func setOf(name string) string {
	set, _, _ := strings.Cut(name, "/")
	return set
}

// examineUse finds the agents whose executors do not offer their tools.
func examineUse(listed []executors.Listing, agents []config.Agent, speakers func(config.Agent) []string) []finding {
	var found []finding
	for _, a := range agents {
		if len(a.Policy.Tools) == 0 {
			continue
		}
		var none []string // of those that may speak
		some := false
		names := speakers(a)
		for _, l := range listed {
			switch {
			case !slices.Contains(names, l.Name) && !slices.Contains(names, executors.Auto):
			case l.Tools:
				some = true
			default:
				none = append(none, l.Name)
			}
		}
		if len(none) == 0 {
			continue
		}
		f := finding{Check: "tools of agent " + a.Name, State: checkWrong,
			Detail: "not offered by " + strings.Join(none, ", "),
			Remedy: fmt.Sprintf("choose an executor that calls a model, or remove agents.%s.tools: the agent behind this executor has its own tools", a.Name)}
		if some {
			f.State = checkSkipped // whether it matters is not known
			f.Detail += ", if it replies"
		}
		found = append(found, f)
	}
	return found
}
