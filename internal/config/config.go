package config

import (
	"fmt"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/tools"
)

// A Config is what parley.yaml says. It holds no secrets: they stay behind
// [Settings]. Its lists have the file's order.
type Config struct {
	// Path is the file it was read from. Empty: the environment.
	Path string
	// Dir is what relative paths in the file are relative to.
	Dir string
	// TaskQueue is where workflows and activities meet. Never empty.
	TaskQueue string
	Platforms []Platform
	// Executors are in the order in which "auto" tries them.
	Executors []Executor
	// Tools are the sets of tools that agents may name.
	Tools  []Tools
	Agents []Agent
	// Callbacks says whom callbacks may go to, and how they are signed.
	Callbacks Settings
	// Encryption says how payloads are encrypted. Nil: they are not.
	Encryption *Settings
}

// A Platform is one instance of a platform.
type Platform struct {
	Name string
	Type string
	// Settle and MaxOpen are as in platforms.Instance. Nil: what suits the type.
	Settle  *time.Duration
	MaxOpen *int
	// FixedMaxOpen is as in platforms.Instance: back_pressure is false.
	FixedMaxOpen bool
	// PollInterval is the time between two polls. Never zero.
	PollInterval time.Duration
	// AdoptAfter is the age at which conversations that another worker claimed and left
	// are adopted. Zero: never.
	AdoptAfter time.Duration
	// Given: the embedding program has made it.
	Given bool
	// Settings are those of the type.
	Settings Settings
}

// An Executor is one configured executor.
type Executor struct {
	Name string
	Type string
	// Given: the embedding program has made it.
	Given bool
	// Settings are those of the type. "limits" and "budget" are sections of theirs
	// that every type has; see [Settings.Section].
	Settings Settings
}

// Tools are one configured set of tools.
type Tools struct {
	Name string
	Type string
	// Given: the embedding program has made it.
	Given bool
	// Rules say how they may be used.
	Rules    tools.Rules
	Settings Settings
}

// An Agent is one agent to be served.
type Agent struct {
	Name     string
	Platform string
	Project  string
	Agent    string
	// Policy names the agent's executor; "auto" where the setting is left out.
	Policy conversation.Policy

	where place
}

// Fault is a fault of one of the agent's settings, such as "project"; the empty
// setting means all of them. It is nil if [Load] has reported one of that
// setting already: what is left of its value says nothing.
func (a Agent) Fault(setting, format string, args ...any) error {
	return a.where.fault(setting, fmt.Sprintf(format, args...))
}

// Place is err as a fault of the agent as a whole.
func (a Agent) Place(err error) error { return a.where.sentence(err) }

// Defaults.
const (
	// DirectPlatform is the platform of agents that are talked to directly. It needs
	// no section, and SchedulePlatform, that of schedules, can have none.
	DirectPlatform   = conversation.DirectPlatform
	SchedulePlatform = "schedule"
	// DefaultFile is read where nothing else is named and it exists.
	DefaultFile = "parley.yaml"
	// DefaultPollInterval finds a new conversation soon at a cost that no platform
	// notices.
	DefaultPollInterval = 2 * time.Second
	// minPollInterval keeps a slip of the pen from hammering a platform.
	minPollInterval = 100 * time.Millisecond
)

// reservedNames begin the ids of workflows that are no conversations: no platform can
// be called so.
var reservedNames = []string{"inbox", "budget", "capacity", "act"}

// Platform returns the platform of that name.
func (c *Config) Platform(name string) (Platform, bool) {
	for _, p := range c.Platforms {
		if p.Name == name {
			return p, true
		}
	}
	return Platform{}, false
}

// From says where the configuration is from, for operators.
func (c *Config) From() string {
	if c.Path == "" {
		return "environment"
	}
	return c.Path
}
