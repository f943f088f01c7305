package assemble

import (
	"cmp"
	"slices"
	"strings"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/budget"
	"github.com/parley-run/parley/internal/config"
)

// readBudgets reads the sections named budget of all executors. What one of them
// says of an account holds for those that name the same one.
func (m *maker) readBudgets() {
	type account struct {
		day            budget.Limits
		zone, currency string
	}
	accounts := make(map[string]*account)
	for _, e := range m.cfg.Executors {
		section, ok := e.Settings.Section("budget")
		if !ok {
			continue
		}
		c := &budget.Config{Name: e.Name}
		_ = section.Decode(c, "budget") // its faults are reported when the budget is made
		m.budgets[e.Name] = c
		shared := accounts[c.Name]
		if shared == nil {
			shared = &account{}
			accounts[c.Name] = shared
		}
		m.add(agree(section, "day", c.Name, c.Day, &shared.day),
			agree(section, "time_zone", c.Name, c.TimeZone, &shared.zone),
			agree(section, "currency", c.Name, c.Currency, &shared.currency))
	}
	for _, c := range m.budgets {
		shared := accounts[c.Name]
		c.Day, c.TimeZone, c.Currency = shared.day, shared.zone, shared.currency
	}
}

// agree holds what an executor says of its account against what others have said.
func agree[T comparable](section config.Settings, setting, account string, said T, shared *T) error {
	var nothing T
	switch {
	case said == nothing:
	case *shared == nothing:
		*shared = said
	case said != *shared:
		return section.Fault(setting, "is not what another executor says of the budget %q: write it once, or give one of them a name of its own", account)
	}
	return nil
}

// priceAgent finds a limit of money that nothing would ever come near, and sets
// the label of the money.
func (m *maker) priceAgent(agent *config.Agent) error {
	if agent.Policy.MaxCost <= 0 {
		return nil
	}
	priced, currencies := m.prices(agent.Policy.Executor, nil)
	if !priced {
		return agent.Fault("budget.money", "is limited, but no prices are known for executor %q: add them to its budget, or limit tokens", agent.Policy.Executor)
	}
	for _, name := range agent.Policy.Executors {
		_, more := m.prices(name, nil)
		currencies = append(currencies, more...)
	}
	slices.Sort(currencies)
	currencies = slices.Compact(currencies)
	if len(currencies) > 1 {
		return agent.Fault("budget.money", "is an amount in one currency, but its executors count in %s, and nothing is converted: limit tokens",
			strings.Join(currencies, " and "))
	}
	agent.Policy.Currency = budget.DefaultCurrency
	if len(currencies) > 0 {
		agent.Policy.Currency = currencies[0]
	}
	return nil
}

// prices reports whether what answers under a name says what that costs, and in
// which currencies. One link of a chain that does is enough: the others may cost
// nothing.
func (m *maker) prices(name string, seen []string) (priced bool, currencies []string) {
	if slices.Contains(seen, name) {
		return false, nil
	}
	seen = append(seen, name)
	var links []string
	if c := m.chains[name]; c != nil {
		links = c.cfg.Links
	}
	if name == executors.Auto {
		for _, e := range m.cfg.Executors {
			links = append(links, e.Name)
		}
	}
	for _, link := range links {
		p, c := m.prices(link, seen)
		priced, currencies = priced || p, append(currencies, c...)
	}
	if _, given := m.backends.Given.Executors[name]; given {
		priced = true // it may say itself what it cost
	}
	if c := m.budgets[name]; c != nil && len(c.Prices) > 0 {
		return true, append(currencies, cmp.Or(c.Currency, budget.DefaultCurrency))
	}
	return priced, currencies
}
