package command

import (
	"cmp"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/wire"
	"github.com/parley-run/parley/internal/program"
	"github.com/parley-run/parley/internal/settings"
	"github.com/parley-run/parley/secret"
)

// Defaults of a [Config].
const (
	DefaultProvider          = "command"
	DefaultProcesses         = 2
	DefaultConcurrency       = 1
	DefaultTimeout           = executors.DefaultTimeout
	DefaultFirstTokenTimeout = executors.DefaultFirstTokenTimeout
	DefaultGapTimeout        = executors.DefaultGapTimeout
	DefaultStartTimeout      = 30 * time.Second
	DefaultStopTimeout       = 5 * time.Second
	DefaultMaxReplyBytes     = executors.DefaultMaxReplyBytes
)

// Config names the program and how to call it.
type Config struct {
	// Command is the program and its arguments, passed unchanged: no shell is
	// involved. Required.
	Command []string `yaml:"command"`
	// Dir is the program's working directory; a relative path in Command is
	// relative to it. Default: the worker's.
	Dir string `yaml:"dir"`
	// Env are variables for the program. Their values are treated as secrets.
	Env map[string]secret.String `yaml:"env"`
	// PassEnv names variables of the worker's environment that the program receives
	// in addition to PATH, HOME, USER, LANG, LC_ALL, LC_CTYPE, TZ, TMPDIR and
	// SYSTEMROOT. Default: none.
	PassEnv []string `yaml:"pass_env"`
	// Processes is the maximum number of programs. They are started as needed, and
	// kept running. Default: DefaultProcesses.
	Processes int `yaml:"processes"`
	// Concurrency is the maximum number of requests of one program at a time. Above
	// 1, the program must repeat their ids. Default: DefaultConcurrency.
	Concurrency int `yaml:"concurrency"`
	// Handshake means that the program writes {"ready": true} when it accepts
	// requests. Default: false.
	Handshake bool `yaml:"handshake"`
	// StartTimeout bounds the wait for the handshake. Default: DefaultStartTimeout.
	StartTimeout time.Duration `yaml:"start_timeout"`
	// StopTimeout is how long a program may run after SIGTERM, before SIGKILL.
	// Default: DefaultStopTimeout.
	StopTimeout time.Duration `yaml:"stop_timeout"`
	// Provider and Model are used in results if the answer names none. Defaults:
	// DefaultProvider, none.
	Provider string `yaml:"provider"`
	Model    string `yaml:"model"`
	// Send selects the messages of a request. Default: wire.SendAll.
	Send wire.Send `yaml:"send"`
	// Stream means that the program answers in pieces, which makes a stall
	// noticeable. Default: false.
	Stream bool `yaml:"stream"`
	// Timeout bounds a whole answer. Default: DefaultTimeout.
	Timeout time.Duration `yaml:"timeout"`
	// FirstTokenTimeout bounds the wait for the first piece of a streamed answer.
	// Default: DefaultFirstTokenTimeout.
	FirstTokenTimeout time.Duration `yaml:"first_token_timeout"`
	// GapTimeout bounds the wait for each further piece. Default: DefaultGapTimeout.
	GapTimeout time.Duration `yaml:"gap_timeout"`
	// MaxReplyBytes bounds a reply. Default: DefaultMaxReplyBytes.
	MaxReplyBytes int `yaml:"max_reply_bytes"`
	// Logger receives what the programs write to their standard error. Default:
	// silent.
	Logger *slog.Logger `yaml:"-"`
	// LookupEnv looks up the variables to pass on. Default: os.LookupEnv.
	LookupEnv func(string) (string, bool) `yaml:"-"`
}

func (c Config) timers() modelcall.Timers {
	return modelcall.Timers{Total: c.Timeout, FirstToken: c.FirstTokenTimeout, Gap: c.GapTimeout}
}

func (c Config) withDefaults() Config {
	t := c.timers().WithDefaults()
	c.Timeout, c.FirstTokenTimeout, c.GapTimeout = t.Total, t.FirstToken, t.Gap
	c.Processes = cmp.Or(c.Processes, DefaultProcesses)
	c.Concurrency = cmp.Or(c.Concurrency, DefaultConcurrency)
	c.StartTimeout = cmp.Or(c.StartTimeout, DefaultStartTimeout)
	c.StopTimeout = cmp.Or(c.StopTimeout, DefaultStopTimeout)
	c.Provider = cmp.Or(c.Provider, DefaultProvider)
	c.Send = cmp.Or(c.Send, wire.SendAll)
	c.MaxReplyBytes = cmp.Or(c.MaxReplyBytes, DefaultMaxReplyBytes)
	if c.LookupEnv == nil {
		c.LookupEnv = os.LookupEnv
	}
	c.Command = slices.Clone(c.Command)
	return c
}

// validate reports all faults, each with its field and remedy.
func (c Config) validate() error {
	var f settings.Faults
	switch {
	case len(c.Command) == 0 || strings.TrimSpace(c.Command[0]) == "":
		f.Add("command", "write the program and its arguments as a list, such as [python3, agent.py]", "is empty")
	case program.IsShellLine(c.Command):
		f.Add("command", "write a list, such as [python3, agent.py]", "is %q, which looks like a line for a shell, and there is none", c.Command[0])
	}
	program.Validate(c.Command, c.Env, &f)
	for name := range c.Env {
		if slices.Contains(c.PassEnv, name) {
			f.Add("env."+name, "give it in one of the two", "is in pass_env too")
		}
	}
	for i, name := range c.PassEnv {
		if !program.IsVariable(name) {
			f.Add(fmt.Sprintf("pass_env[%d]", i), "", "is %q, which is no name of a variable", name)
		}
	}
	f.Count("processes", int64(c.Processes))
	f.Count("concurrency", int64(c.Concurrency))
	f.Count("max_reply_bytes", int64(c.MaxReplyBytes))
	settings.OneOf(&f, "send", c.Send, wire.SendAll, wire.SendNew)
	if c.StartTimeout > 0 && !c.Handshake {
		f.Add("start_timeout", "add that, or leave it out", "needs handshake: true")
	}
	f.Duration("start_timeout", c.StartTimeout)
	f.Duration("stop_timeout", c.StopTimeout)
	c.timers().Validate(&f)
	return f.Err()
}
