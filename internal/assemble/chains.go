package assemble

import (
	"fmt"
	"slices"
	"strings"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/failover"
	"github.com/parley-run/parley/executors/limit"
	"github.com/parley-run/parley/internal/config"
)

// chainType is what an executor is that is made of others. It is no backend: it
// needs those that the configuration names.
const chainType = "failover"

// A chain is one that is configured.
type chain struct {
	config.Executor
	cfg failover.Config
}

// readChain reads a chain. Whether its links are there is seen when all are known.
func (m *maker) readChain(e config.Executor) {
	c := &chain{Executor: e}
	m.add(e.Settings.Build(&c.cfg, chainType, func() error { return c.cfg.Validate() }))
	for _, section := range []string{"limits", "budget", "task_breaker"} {
		if _, ok := e.Settings.Section(section); ok {
			m.add(e.Settings.Fault(section, "is not for a chain: write it at its links"))
		}
	}
	m.chains[e.Name] = c
}

// makeChain makes a chain after those among its links that are chains. The path
// are the chains that lead here. Without a result, there are faults.
func (m *maker) makeChain(c *chain, path []string) executors.Executor {
	if made, done := m.made[c.Name]; done {
		return made.Executor
	}
	if i := slices.Index(path, c.Name); i >= 0 {
		m.add(c.Settings.Fault("links", "lead back to where they begin: %s", strings.Join(append(path[i:], c.Name), " → ")))
		return nil
	}
	path = append(slices.Clone(path), c.Name)
	var (
		links    []failover.Link
		complete = true
	)
	for i, name := range c.cfg.Links {
		link := failover.Link{Name: name}
		if next := m.chains[name]; next != nil {
			link.Executor = m.makeChain(next, path)
		} else if made, ok := m.made[name]; ok {
			link.Executor, link.Provider = made.Executor, provider(made.Quota)
		} else if name != "" && name != executors.Auto { // the chain's own faults say so
			m.add(c.Settings.Fault(fmt.Sprintf("links[%d]", i), "is %q, which is not among the executors: %s", name, config.Suggest(name, m.names(c.Name))))
		}
		complete = complete && link.Executor != nil
		links = append(links, link)
	}
	m.made[c.Name] = Executor{}
	if !complete {
		return nil
	}
	made, err := failover.New(c.Name, c.cfg, links, m.breakers)
	if err != nil {
		return nil // reported when the chain was read
	}
	m.made[c.Name] = Executor{Executor: made, About: executors.About{Backend: chainType}}
	return made
}

// provider is what links share a breaker by: where requests go, whatever the key.
func provider(quota limit.Key) string {
	if quota.Endpoint == "" {
		return ""
	}
	return limit.Key{Provider: quota.Provider, Endpoint: quota.Endpoint}.String()
}

// names are those of all executors but one.
func (m *maker) names(but string) []string {
	var names []string
	for _, e := range m.cfg.Executors {
		if e.Name != but {
			names = append(names, e.Name)
		}
	}
	return names
}
