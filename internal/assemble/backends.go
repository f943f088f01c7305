package assemble

import (
	"cmp"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/anthropic"
	"github.com/parley-run/parley/executors/command"
	"github.com/parley-run/parley/executors/gemini"
	"github.com/parley-run/parley/executors/http"
	"github.com/parley-run/parley/executors/openai"
	"github.com/parley-run/parley/executors/scripted"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/onerun"
	"github.com/parley-run/parley/tools"
)

// Backends are the types that a configuration can name. Whoever embeds Parley
// adds types of their own.
type Backends struct {
	Platforms map[string]PlatformType
	Executors map[string]ExecutorType
	// Given is what an embedding program has made itself, by name.
	Given Given
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

// Builtin are the backends that come with Parley. A new one is one line here.
func Builtin() Backends {
	return Backends{
		Platforms: map[string]PlatformType{
			"onerun": {New: newOneRun, NeedsProject: true, NeedsAgent: true},
		},
		Executors: map[string]ExecutorType{
			"anthropic": executorType("anthropic", anthropic.New, func(c anthropic.Config) string { return c.Model }),
			"command":   newCommand,
			"gemini":    executorType("gemini", gemini.New, func(c gemini.Config) string { return c.Model }),
			"http":      executorType("http", http.New, func(c http.Config) string { return c.Model }),
			"openai":    executorType("openai", openai.New, func(c openai.Config) string { return c.Model }),
			"scripted":  newScripted,
		},
	}
}

// A PlatformType makes the instances of one type of platform.
type PlatformType struct {
	// New makes an instance from its settings, without touching the network. It
	// need not set the instance's name, nor heed what every platform has.
	New func(config.Platform) (Platform, error)
	// NeedsProject and NeedsAgent tell what an agent must name.
	NeedsProject, NeedsAgent bool
}

// A Platform is an instance together with what its agents are held against.
type Platform struct {
	platforms.Instance
	// SendTimeout is how long one Send may take. Zero: unknown.
	SendTimeout time.Duration
}

// An ExecutorType makes the executors of one type from their settings, without
// touching the network.
type ExecutorType func(cfg config.Executor, dir string) (executors.Executor, executors.About, error)

func newOneRun(p config.Platform) (Platform, error) {
	cfg := onerun.Config{Name: p.Name}
	var platform *onerun.Platform
	err := p.Settings.Build(&cfg, "onerun", func() (err error) {
		platform, err = onerun.New(cfg)
		return err
	})
	if err != nil {
		return Platform{}, err
	}
	return Platform{
		Instance:    platforms.Instance{Platform: platform, Settle: onerun.DefaultSettle, MaxOpen: onerun.DefaultMaxOpen},
		SendTimeout: cmp.Or(cfg.ResponseTimeout, onerun.DefaultResponseTimeout),
	}, nil
}

// executorType is a backend whose settings need nothing but decoding.
func executorType[C any, E executors.Executor](backend string, create func(C) (E, error), model func(C) string) ExecutorType {
	return func(e config.Executor, _ string) (executors.Executor, executors.About, error) {
		var cfg C
		var executor E
		err := e.Settings.Build(&cfg, backend, func() (err error) {
			executor, err = create(cfg)
			return err
		})
		if err != nil {
			return nil, executors.About{}, err
		}
		return executor, executors.About{Backend: backend, Model: model(cfg)}, nil
	}
}

func newCommand(e config.Executor, dir string) (executors.Executor, executors.About, error) {
	var cfg command.Config
	var executor *command.Executor
	err := e.Settings.Build(&cfg, "command", func() (err error) {
		if !filepath.IsAbs(cfg.Dir) {
			cfg.Dir = filepath.Join(dir, cfg.Dir)
		}
		executor, err = command.New(cfg)
		return err
	})
	if err != nil {
		return nil, executors.About{}, err
	}
	return executor, executors.About{Backend: "command", Model: cfg.Model}, nil
}

func newScripted(e config.Executor, dir string) (executors.Executor, executors.About, error) {
	var cfg scripted.Config
	var executor *scripted.Executor
	err := e.Settings.Build(&cfg, "scripted", func() (err error) {
		if cfg.Path != "" && !filepath.IsAbs(cfg.Path) {
			cfg.Path = filepath.Join(dir, cfg.Path)
		}
		executor, err = scripted.New(cfg)
		return err
	})
	if err != nil {
		return nil, executors.About{}, err
	}
	return executor, executors.About{Backend: "scripted", Model: executor.Name()}, nil
}
