package assemble

import (
	"cmp"
	"slices"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/breaker"
	"github.com/parley-run/parley/executors/budget"
	"github.com/parley-run/parley/executors/failover"
	"github.com/parley-run/parley/executors/limit"
	"github.com/parley-run/parley/internal/config"
)

// A maker makes the executors of a configuration, with what they share.
type maker struct {
	cfg      *config.Config
	backends Backends
	process  Process
	pool     *limit.Pool
	breakers *failover.Breakers
	ledger   *ledger

	budgets map[string]*budget.Config // by executor
	chains  map[string]*chain
	// made are all executors that there is something to say of. Those with faults
	// have no Executor.
	made   map[string]Executor
	faults []error
}

func newMaker(cfg *config.Config, backends Backends, process Process, ledger *ledger) *maker {
	return &maker{
		cfg: cfg, backends: backends, process: process, ledger: ledger,
		pool: limit.NewPool(process.Limits), breakers: failover.NewBreakers(process.Chains),
		budgets: make(map[string]*budget.Config), chains: make(map[string]*chain), made: make(map[string]Executor),
	}
}

func (m *maker) add(faults ...error) { m.faults = append(m.faults, faults...) }

// makeAll makes all. The chains come last: their links may stand behind them.
func (m *maker) makeAll() {
	m.readBudgets()
	for _, e := range m.cfg.Executors {
		switch {
		case e.Given:
			m.made[e.Name] = Executor{Executor: m.backends.Given.Executors[e.Name], About: executors.About{Backend: "given"}}
		case e.Type == chainType:
			m.readChain(e)
		default:
			m.made[e.Name] = m.makeOne(e)
		}
	}
	for _, e := range m.cfg.Executors {
		if c := m.chains[e.Name]; c != nil {
			m.makeChain(c, nil)
		}
	}
}

// makeOne makes an executor of its type, within its limits and its budget, and with
// breakers for the agents that tasks name.
func (m *maker) makeOne(e config.Executor) Executor {
	kind, ok := m.backends.executor(e.Type)
	if !ok {
		types := append(names(m.backends.Executors, func(t ExecutorType) string { return t.Name }), chainType)
		slices.Sort(types)
		m.add(unknownType(e.Settings, e.Type, types))
		return Executor{}
	}
	made, err := kind.New(e, m.process)
	if err != nil {
		m.add(e.Settings.Place(err))
		made = Executor{} // its other sections may have faults too
	}
	m.rotate(e, kind, &made)
	made.inner = made.Executor
	err = config.Join(m.addBudget(e, &made), m.addLimits(e, &made), m.addBreaker(e, &made))
	m.add(err)
	if made.inner == nil || err != nil {
		made.Executor = nil
	}
	return made
}

// rotate lets an executor follow the files that have its keys.
func (m *maker) rotate(e config.Executor, kind ExecutorType, made *Executor) {
	if made.Executor == nil {
		return
	}
	r := rotate("executor "+e.Name, m.process.Logger, e.Settings, made.Executor, func(s config.Settings) (executors.Executor, error) {
		renewed := e
		renewed.Settings = s
		again, err := kind.New(renewed, m.process)
		return again.Executor, err
	})
	if r != nil {
		made.Executor = rotatingExecutor{r}
	}
}

// addBudget and addLimits wrap an executor as its settings say. A request that
// waits for its turn is not booked yet, so the limits are outermost.
func (m *maker) addBudget(e config.Executor, made *Executor) error {
	section, ok := e.Settings.Section("budget")
	if !ok {
		return nil
	}
	cfg := *m.budgets[e.Name]
	cfg.Provider, cfg.Model, cfg.Logger = cmp.Or(made.Quota.Provider, made.Backend), made.Model, m.process.Logger
	cfg.Executor, cfg.Observer = e.Name, m.process.Spending
	return section.Build(&cfg, "budget", func() error {
		counted, err := budget.New(made.Executor, m.ledger, cfg)
		if err == nil {
			made.Executor = counted
		}
		return err
	})
}

func (m *maker) addLimits(e config.Executor, made *Executor) error {
	section, ok := e.Settings.Section("limits")
	if !ok && made.Local {
		return nil
	}
	key := made.Quota
	if key == (limit.Key{}) {
		key = limit.Key{Provider: e.Type, Endpoint: e.Name} // shared with no other executor
	}
	var cfg limit.Config
	build := func() error {
		cfg.Concurrency = cmp.Or(cfg.Concurrency, made.Concurrency)
		limited, err := limit.New(m.pool, made.Executor, key, cfg)
		if err == nil {
			made.Executor = limited
		}
		return err
	}
	if !ok {
		return build()
	}
	return section.Build(&cfg, "limits", build)
}

// addBreaker is outermost: a blocked agent waits for no turn.
func (m *maker) addBreaker(e config.Executor, made *Executor) error {
	cfg := breaker.Config{Name: e.Name, Logger: m.process.Logger, Observer: m.process.Chains}
	add := func() error {
		if made.inner == nil {
			return breaker.Check(cfg)
		}
		with, err := breaker.New(made.Executor, cfg)
		if err == nil {
			made.Executor = with
		}
		return err
	}
	if section, ok := e.Settings.Section("task_breaker"); ok {
		return section.Build(&cfg, "task_breaker", add)
	}
	return add()
}
