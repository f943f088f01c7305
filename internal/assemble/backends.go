package assemble

import (
	"cmp"
	"log/slog"
	"maps"
	"net/url"
	"path/filepath"
	"slices"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/a2a"
	"github.com/parley-run/parley/executors/budget"
	"github.com/parley-run/parley/executors/command"
	"github.com/parley-run/parley/executors/failover"
	"github.com/parley-run/parley/executors/http"
	"github.com/parley-run/parley/executors/iiifunction"
	"github.com/parley-run/parley/executors/limit"
	"github.com/parley-run/parley/executors/runagent"
	"github.com/parley-run/parley/executors/scripted"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/tools"
	"github.com/parley-run/parley/tools/mcp"
)

// Backends are the types that a configuration can name, each kind in an order: that in
// which executors are there by default, and platforms are described by the environment.
type Backends struct {
	Platforms []PlatformType
	Executors []ExecutorType
	Tools     []ToolsType
	// Process is what the process has for them.
	Process Process
	// Given is what an embedding program has made itself, by name.
	Given Given
}

// Process is what a process has for the executors and tools in it. The zero value
// is enough for them.
type Process struct {
	// Version is that of the build.
	Version string
	// LookupEnv finds the variables that programs are given. Nil: the
	// configuration's own lookup.
	LookupEnv func(name string) (string, bool)
	// Logger receives the logs of executors and tools. Nil: silent.
	Logger *slog.Logger
	// Limits, Chains and Spending observe the rate limits, fail-over chains and budgets. Nil:
	// no observer.
	Limits   limit.Observer
	Chains   failover.Observer
	Spending budget.Observer
	// Dir is what relative paths are relative to: [Build] says so.
	Dir string
}

// Given is what needs no configuration.
type Given struct {
	Platforms map[string]platforms.Instance
	Executors map[string]executors.Executor
	Tools     map[string]GivenTools
}

// GivenTools are a set of tools, and how they may be used.
type GivenTools struct {
	Set   tools.Set
	Rules tools.Rules
}

// Names are what the configuration must know of it.
func (g Given) Names() config.Given {
	return config.Given{
		Platforms: slices.Sorted(maps.Keys(g.Platforms)),
		Executors: slices.Sorted(maps.Keys(g.Executors)),
		Tools:     slices.Sorted(maps.Keys(g.Tools)),
	}
}

// An Executor is one that has been made, and what is to be known of it.
type Executor struct {
	executors.Executor
	executors.About
	// Quota is what its provider counts together. Zero: the executor shares its
	// limits with no other.
	Quota limit.Key
	// Concurrency bounds the calls under way at a time where limits do not say it.
	// Zero: limit.DefaultConcurrency.
	Concurrency int
	// Local means that calls take neither time nor money: without limits in its
	// settings it has none.
	Local bool

	inner executors.Executor // without its limits
}

// newExecutor makes a backend whose settings need nothing but decoding.
func newExecutor[C any, E executors.Executor](backend string, create func(C) (E, error), model func(C) string, quota func(C) limit.Key) newExecutorFunc {
	return func(e config.Executor, _ Process) (Executor, error) {
		var cfg C
		var executor E
		err := e.Settings.Build(&cfg, backend, func() (err error) {
			executor, err = create(cfg)
			return err
		})
		if err != nil {
			return Executor{}, err
		}
		return Executor{Executor: executor, About: executors.About{Backend: backend, Model: model(cfg)}, Quota: quota(cfg)}, nil
	}
}

// a2aQuota and agentQuota are those of an agent on its own server, which counts its
// requests itself. The rest of its address may be a secret.
func a2aQuota(c a2a.Config) limit.Key {
	return limit.NewKey(cmp.Or(c.Provider, a2a.DefaultProvider), server(cmp.Or(c.Endpoint, c.URL)), c.BearerToken, c.Headers, "Authorization", "X-Api-Key")
}

func agentQuota(c http.Config) limit.Key {
	return limit.NewKey(cmp.Or(c.Provider, http.DefaultProvider), server(c.URL), c.BearerToken, c.Headers, "Authorization", "X-Api-Key")
}

func server(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

func newCommand(e config.Executor, process Process) (Executor, error) {
	cfg := command.Config{Logger: process.Logger, LookupEnv: process.LookupEnv}
	var executor *command.Executor
	err := e.Settings.Build(&cfg, "command", func() (err error) {
		cfg.Dir = within(process.Dir, cfg.Dir)
		executor, err = command.New(cfg)
		return err
	})
	if err != nil {
		return Executor{}, err
	}
	return Executor{
		Executor: executor, About: executors.About{Backend: "command", Model: cfg.Model},
		// Those that no program takes wait at Temporal, and not in the worker.
		Concurrency: cmp.Or(cfg.Processes, command.DefaultProcesses) * cmp.Or(cfg.Concurrency, command.DefaultConcurrency),
	}, nil
}

func newRunAgent(e config.Executor, process Process) (Executor, error) {
	cfg := runagent.Config{LookupEnv: process.LookupEnv}
	var executor *runagent.Executor
	err := e.Settings.Build(&cfg, "runagent", func() (err error) {
		executor, err = runagent.New(cfg)
		return err
	})
	if err != nil {
		return Executor{}, err
	}
	made := Executor{Executor: executor, About: executors.About{Backend: "runagent"}}
	if cfg.Mode != runagent.ModeLocal { // a local server counts nothing
		made.Quota = limit.NewKey("runagent", server(cmp.Or(cfg.URL, runagent.DefaultURL)), cfg.APIKey, nil)
	}
	return made, nil
}

// newFunction shares its limits with no other: an engine is a way to all sorts of
// agents.
func newFunction(e config.Executor, process Process) (Executor, error) {
	cfg := iiifunction.Config{Logger: process.Logger}
	var executor *iiifunction.Executor
	err := e.Settings.Build(&cfg, "iii", func() (err error) {
		executor, err = iiifunction.New(cfg)
		return err
	})
	if err != nil {
		return Executor{}, err
	}
	return Executor{Executor: executor, About: executors.About{Backend: "iii", Model: cfg.Model}}, nil
}

func newScripted(e config.Executor, process Process) (Executor, error) {
	var cfg scripted.Config
	var executor *scripted.Executor
	err := e.Settings.Build(&cfg, "scripted", func() (err error) {
		if cfg.Path != "" {
			cfg.Path = within(process.Dir, cfg.Path)
		}
		executor, err = scripted.New(cfg)
		return err
	})
	if err != nil {
		return Executor{}, err
	}
	return Executor{Executor: executor, About: executors.About{Backend: "scripted", Model: executor.Name()}, Local: true}, nil
}

func newMCP(t config.Tools, process Process) (tools.Set, error) {
	cfg := mcp.Config{Name: t.Name, Version: process.Version, LookupEnv: process.LookupEnv, Logger: process.Logger}
	var set *mcp.Set
	err := t.Settings.Build(&cfg, "mcp", func() (err error) {
		if len(cfg.Command) > 0 {
			cfg.Dir = within(process.Dir, cfg.Dir)
		}
		set, err = mcp.New(cfg)
		return err
	})
	if err != nil {
		return nil, err
	}
	return set, nil
}

// within is a path as the configuration in dir means it.
func within(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
