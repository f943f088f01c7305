// Package assemble makes a configuration real: platforms, executors and the
// inboxes of agents. It is the one place that knows every backend; see
// [Builtin].
package assemble

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/budget"
	"github.com/parley-run/parley/internal/callback"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/joined"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/tools"
	"github.com/parley-run/parley/workflows"
)

// An Assembly is a configuration made real.
type Assembly struct {
	Config    *config.Config
	Platforms map[string]platforms.Instance
	Executors *executors.Registry
	Tools     *tools.Registry
	// Callbacks reports to addresses how tasks have ended.
	Callbacks *callback.Sender
	ledger    *ledger
	links     map[string][]string // what chains are made of, by the chain's name
	backends  Backends
	// sendTimeouts are how long a Send may take, by platforms that are configured.
	sendTimeouts map[string]time.Duration
	// closers are the executors that hold something.
	closers []io.Closer
	// Inboxes are the inputs of the agents' inboxes, in the file's order.
	Inboxes []workflows.InboxInput
}

// Load reads a configuration and makes it real with the built-in backends,
// without touching the network. Its error is [config.Faults]: all there are.
func Load(src config.Source) (*Assembly, error) { return LoadWith(src, Builtin()) }

// LoadWith is [Load] with other backends.
func LoadWith(src config.Source, backends Backends) (*Assembly, error) {
	src.Given, src.Types = backends.Given.Names(), backends.Types()
	if backends.Process.LookupEnv == nil {
		backends.Process.LookupEnv = src.Lookup
	}
	cfg, loadErr := config.Load(src)
	if cfg == nil {
		return nil, loadErr
	}
	// What could be read is built all the same, for the faults in it.
	a, err := Build(cfg, backends)
	if err := config.Join(loadErr, err); err != nil {
		return nil, err
	}
	return a, nil
}

// Read reads a configuration for the built-in backends, and makes nothing of it.
func Read(src config.Source) (*config.Config, error) {
	src.Types = Builtin().Types()
	return config.Load(src)
}

// names are the names of types, sorted.
func names[T any](types []T, name func(T) string) []string {
	var all []string
	for _, t := range types {
		all = append(all, name(t))
	}
	slices.Sort(all)
	return all
}

// Build makes a configuration real. Its error is [config.Faults]: all there are.
func Build(cfg *config.Config, backends Backends) (*Assembly, error) {
	a := &Assembly{
		Config: cfg, Platforms: make(map[string]platforms.Instance), Executors: executors.NewRegistry(), Tools: tools.NewRegistry(tools.WithLogger(backends.Process.Logger)),
		ledger: &ledger{}, links: make(map[string][]string), backends: backends, sendTimeouts: make(map[string]time.Duration),
	}
	process := backends.Process
	process.Dir = cfg.Dir
	faults := a.makePlatforms(backends)
	m := newMaker(cfg, backends, process, a.ledger)
	m.makeAll()
	for name, c := range m.chains {
		a.links[name] = c.cfg.Links
	}
	faults = append(faults, m.faults...)
	for _, e := range cfg.Executors { // the file's order is that of "auto"
		made := m.made[e.Name]
		if c, ok := executors.As[io.Closer](made.inner); ok {
			a.closers = append(a.closers, c)
		}
		if made.Executor == nil || e.Name == executors.Auto { // that has been reported
			continue
		}
		if err := a.Executors.Add(e.Name, made.Executor, made.About); err != nil {
			faults = append(faults, e.Settings.Place(err))
		}
	}
	callbacks := callback.Config{Receivers: receivers(a.Platforms)}
	faults = append(faults, cfg.Callbacks.Build(&callbacks, "callbacks", func() (err error) {
		a.Callbacks, err = callback.New(callbacks)
		return err
	}))
	if cfg.Encryption != nil {
		faults = append(faults, encryptionFaults(cfg))
	}
	faults = append(faults, addTools(a.Tools, cfg, backends, process)...)
	for i := range cfg.Agents {
		faults = append(faults, m.priceAgent(&cfg.Agents[i]))
	}
	for _, agent := range cfg.Agents {
		p, ok := cfg.Platform(agent.Platform)
		if !ok {
			continue
		}
		kind, _ := backends.platform(p.Type)
		faults = append(faults, scopeFaults(agent, p.Type, kind)...)
		if instance, built := a.Platforms[p.Name]; built {
			faults = append(faults, timeFault(agent, instance, a.sendTimeout(p.Name)))
		}
		if _, ok := platforms.As[platforms.Tasks](a.Platforms[p.Name].Platform); !ok { // tasks say how long they may run
			faults = append(faults, a.replyFault(agent))
		}
		if _, polled := platforms.As[platforms.Source](a.Platforms[p.Name].Platform); !polled {
			continue
		}
		a.Inboxes = append(a.Inboxes, workflows.InboxInput{
			Platform: agent.Platform, Project: agent.Project, Agent: agent.Agent,
			Settings: workflows.InboxSettings{
				AgentName: agent.Name, Policy: agent.Policy,
				Interval: p.PollInterval, AdoptAfter: p.AdoptAfter,
			},
		})
	}
	if err := config.Join(faults...); err != nil {
		_ = a.Close() // nothing has been asked of them yet
		return nil, err
	}
	return a, nil
}

// KeepBudgets says where the executors' spending is kept. Until then, those with
// a budget for the day answer nothing.
func (a *Assembly) KeepBudgets(in budget.Ledger) { a.ledger.connected.Store(&in) }

// Close ends what platforms, executors and tools hold: programs, connections.
func (a *Assembly) Close() error {
	errs := []error{a.Tools.Close()}
	for name, instance := range a.Platforms {
		if p, _ := a.Config.Platform(name); p.Given {
			continue // the embedding program closes it
		}
		if c, ok := platforms.As[io.Closer](instance.Platform); ok {
			errs = append(errs, c.Close())
		}
	}
	for _, c := range a.closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// receivers are the addresses at which platforms have a receiver of callbacks of
// their own.
func receivers(all map[string]platforms.Instance) []string {
	var found []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if p, ok := platforms.As[platforms.Receiver](all[name].Platform); ok {
			found = append(found, p.Receiver())
		}
	}
	return found
}

func unknownType(s config.Settings, kind string, known []string) error {
	if len(known) == 0 {
		return s.Fault("type", "is %q: this program has no types to configure", kind)
	}
	if kind == "" {
		return s.Fault("type", "is missing: write one of %s", strings.Join(known, ", "))
	}
	return s.Fault("type", "is %q: write one of %s", kind, strings.Join(known, ", "))
}

// scopeFaults holds what an agent names against what its platform has.
func scopeFaults(agent config.Agent, kind string, needs PlatformType) []error {
	var faults []error
	if needs.NeedsProject && agent.Project == "" {
		faults = append(faults, agent.Fault("project", "is missing: write the id of the project on %s", kind))
	}
	if needs.NeedsAgent && agent.Agent == "" {
		faults = append(faults, agent.Fault("agent", "is missing: write the id of the agent on %s", kind))
	}
	return faults
}

// timeFault finds an exchange that could not both look for a lost message and
// send it again: it would fail in every attempt.
func timeFault(agent config.Agent, instance platforms.Instance, send time.Duration) error {
	have, need := agent.Policy.WithDefaults().ExchangeTimeout, instance.Settle+send
	if have >= need {
		return nil
	}
	return agent.Fault("exchange_timeout",
		"is %v, which is too short to wait for a lost message (settle, %v) and send it again (response_timeout, %v): write %v or more",
		have, instance.Settle, send, need)
}

// replyFault finds an executor whose own time limit lies beyond that of an attempt
// at a reply: a long answer would be cut off, and paid for, in every attempt.
func (a *Assembly) replyFault(agent config.Agent) error {
	have := agent.Policy.WithDefaults().ReplyTimeout
	names := a.Speakers(agent)
	for _, e := range a.Config.Executors {
		if e.Given || !slices.Contains(names, e.Name) && !slices.Contains(names, executors.Auto) {
			continue
		}
		var said struct {
			Timeout time.Duration `yaml:"timeout"`
		}
		_ = e.Settings.Decode(&said, e.Type) // what is wrong with it, and the other settings, are its maker's
		if need := said.Timeout + activities.MaxReserve; said.Timeout > 0 && have < need {
			return agent.Fault("reply_timeout",
				"is %v, which is too short for executors.%s: its timeout is %v, and time to record the answer comes on top. Write %v or more, or lower that",
				have, e.Name, said.Timeout, need)
		}
	}
	return nil
}

// Speakers are the executors that may speak for the agent: its own, those that a
// conversation may choose, and the links of chains among them.
func (a *Assembly) Speakers(agent config.Agent) []string {
	names := append([]string{agent.Policy.Executor}, agent.Policy.Executors...)
	for i := 0; i < len(names); i++ {
		for _, link := range a.links[names[i]] {
			if !slices.Contains(names, link) {
				names = append(names, link)
			}
		}
	}
	return names
}

// checkTimeout bounds [Assembly.Check]: a start must not hang on a platform that
// does not answer.
const checkTimeout = 15 * time.Second

// Check asks the platforms about address, key and every agent, all at once.
// Faults must be repaired before the worker can work; a warning, such as a platform
// that cannot be reached, may pass by itself.
func (a *Assembly) Check(ctx context.Context) (warnings []error, faults error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	found := make([]error, len(a.Config.Agents))
	var wg sync.WaitGroup
	for i, agent := range a.Config.Agents {
		wg.Go(func() {
			if instance, ok := a.Platforms[agent.Platform]; ok { // a direct conversation has none
				found[i] = instance.Platform.Check(ctx, agent.Project, agent.Agent)
			}
		})
	}
	wg.Wait()
	var bad []error
	said := make(map[string]bool)
	for i, agent := range a.Config.Agents {
		for _, err := range joined.Errors(found[i]) {
			p, _ := a.Config.Platform(agent.Platform)
			switch conversation.KindOf(err) {
			case conversation.Unavailable, conversation.RateLimited:
				if text := p.Name + err.Error(); !said[text] {
					said[text] = true
					warnings = append(warnings, fmt.Errorf("platform %q: %w", p.Name, err))
				}
			case conversation.NotFound:
				bad = append(bad, agent.Place(err))
			default:
				bad = append(bad, p.Settings.Whole(err))
			}
		}
	}
	return warnings, config.Join(bad...)
}
