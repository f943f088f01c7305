package assemble

import (
	"context"
	"log/slog"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/a2a"
	"github.com/parley-run/parley/executors/anthropic"
	"github.com/parley-run/parley/executors/command"
	"github.com/parley-run/parley/executors/gemini"
	"github.com/parley-run/parley/executors/http"
	"github.com/parley-run/parley/executors/iiifunction"
	"github.com/parley-run/parley/executors/openai"
	"github.com/parley-run/parley/executors/runagent"
	"github.com/parley-run/parley/executors/scripted"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/connect"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/iiiengine"
	"github.com/parley-run/parley/platforms/onerun"
	"github.com/parley-run/parley/platforms/pulse"
	"github.com/parley-run/parley/tools"
)

// Builtin are the backends that come with Parley. A new one is one line here.
func Builtin() Backends {
	return Backends{
		Platforms: []PlatformType{
			{Type: platforms.Type{Name: conversation.DirectPlatform, Title: "direct conversations"}},
			{Type: iiiengine.Type(), Serve: serveEngine, ConnectedMetric: "parley.iii.connected"},
			{Type: onerun.Type()},
			{Type: pulse.Type()},
		},
		Executors: []ExecutorType{
			{Name: "openai", Title: "a model of OpenAI, or of a compatible server", Sample: openai.Sample, New: newExecutor("openai", openai.New, func(c openai.Config) string { return c.Model }, openai.Config.Quota), Defaults: openai.Defaults()},
			{Name: "a2a", Title: "an agent that speaks Agent2Agent", Sample: a2a.Sample, New: newExecutor("a2a", a2a.New, func(c a2a.Config) string { return c.Model }, a2aQuota)},
			{Name: "anthropic", Title: "a Claude model", Sample: anthropic.Sample, New: newExecutor("anthropic", anthropic.New, func(c anthropic.Config) string { return c.Model }, anthropic.Config.Quota)},
			{Name: "command", Title: "your program, by lines of JSON", Sample: command.Sample, New: newCommand},
			{Name: "gemini", Title: "a Gemini model", Sample: gemini.Sample, New: newExecutor("gemini", gemini.New, func(c gemini.Config) string { return c.Model }, gemini.Config.Quota)},
			{Name: "http", Title: "your agent, behind HTTP", Sample: http.Sample, New: newExecutor("http", http.New, func(c http.Config) string { return c.Model }, agentQuota)},
			{Name: "iii", Title: "a function of an iii engine", Sample: iiifunction.Sample, New: newFunction},
			{Name: "runagent", Title: "an agent that is deployed on RunAgent", Sample: runagent.Sample, New: newRunAgent, Defaults: runagent.Defaults()},
			{Name: "scripted", Title: "a script; needs nothing", Sample: scripted.Sample, New: newScripted, Defaults: scripted.Defaults()},
		},
		Tools: []ToolsType{
			{Name: "mcp", New: newMCP},
		},
	}
}

// A PlatformType is a type of platform in the registry.
type PlatformType struct {
	platforms.Type
	// Serve makes what serves conversations that do not come by polling. Nil: nothing
	// does.
	Serve func(Serving) (Service, error)
	// ConnectedMetric is the gauge of instances that are [Connected]. Empty: there is none.
	ConnectedMetric string
}

// Serving is what a [Service] is made of.
type Serving struct {
	Config   *config.Config
	Name     string // of the instance
	Platform platforms.Platform
	Temporal *connect.Client
	Logger   *slog.Logger
}

// A Service takes calls from elsewhere that end in workflows of the worker.
type Service interface {
	// Start begins to serve, without waiting for a connection.
	Start() error
	// Stop takes no more calls and returns once those under way have ended, or ctx is
	// done.
	Stop(ctx context.Context) error
}

// Connected is a platform that keeps a connection. Nil: it is connected.
type Connected interface{ Connected() error }

// introduced is a platform that names the process it is in.
type introduced interface {
	Introduce(version string, logger *slog.Logger)
}

// An ExecutorType makes the executors of one type from their settings, without
// touching the network.
type ExecutorType struct {
	Name string
	New  newExecutorFunc
	// Title says in lists what replies. Empty: nothing is known.
	Title string
	// Sample is as in platforms.Type. Besides {{.URL}}, {{.Model}} is the model that was
	// asked for, and {{.Tasks}} whether the platform gives tasks, which may name the agent.
	Sample string
	// Defaults are those that there are where none are configured.
	Defaults []executors.Default
}

type newExecutorFunc = func(config.Executor, Process) (Executor, error)

// A ToolsType makes the sets of tools of one type from their settings, without
// touching the network. Their rules are not its concern.
type ToolsType struct {
	Name string
	New  func(config.Tools, Process) (tools.Set, error)
}

// Types are what the configuration must know of the backends.
func (b Backends) Types() config.Types {
	var t config.Types
	for _, p := range b.Platforms {
		t.Platforms = append(t.Platforms, p.Type)
	}
	for _, e := range b.Executors {
		t.Executors = append(t.Executors, e.Defaults...)
	}
	return t
}

// platform is the type of that name.
func (b Backends) platform(name string) (PlatformType, bool) {
	for _, t := range b.Platforms {
		if t.Name == name {
			return t, true
		}
	}
	return PlatformType{}, false
}

func (b Backends) executor(name string) (ExecutorType, bool) {
	for _, t := range b.Executors {
		if t.Name == name {
			return t, true
		}
	}
	return ExecutorType{}, false
}

func (b Backends) tools(name string) (ToolsType, bool) {
	for _, t := range b.Tools {
		if t.Name == name {
			return t, true
		}
	}
	return ToolsType{}, false
}
