package config

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

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
}

// A Platform is one instance of a platform.
type Platform struct {
	Name string
	Type string
	// Settle and MaxOpen are as in platforms.Instance. Nil: what suits the type.
	Settle  *time.Duration
	MaxOpen *int
	// PollInterval is the time between two polls. Never zero.
	PollInterval time.Duration
	// AdoptAfter is the age at which conversations that somebody claimed and left
	// are taken over. Zero: never.
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

	where settings
}

// Fault is a fault of one of the agent's settings, such as "project"; the empty
// setting means all of them. It is nil if [Load] has reported one of that
// setting already: what is left of its value says nothing.
func (a Agent) Fault(setting, format string, args ...any) error {
	return a.where.fault(setting, fmt.Sprintf(format, args...))
}

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
var reservedNames = []string{"inbox", "budget", "capacity"}

// Platform returns the platform of that name.
func (c *Config) Platform(name string) (Platform, bool) {
	for _, p := range c.Platforms {
		if p.Name == name {
			return p, true
		}
	}
	return Platform{}, false
}

// From says where the configuration is from, for people.
func (c *Config) From() string {
	if c.Path == "" {
		return "environment"
	}
	return c.Path
}

// Settings are a backend's own settings, not yet decoded. They may hold secrets
// and print as nothing but their place.
type Settings struct {
	where  settings
	common []string // the keys that are not the backend's
}

// Decode fills the struct that into points to, by its yaml tags, reporting every
// fault at once. Fields that the file does not mention keep their values.
func (s Settings) Decode(into any, backend string) error {
	if s.where.doc == nil {
		return nil
	}
	d := s.where.doc.again()
	d.decode(s.where.at, s.where.node, into, backend, s.common...)
	return Join(d.faults)
}

// Section is the mapping under one of the settings, if the file has it.
func (s Settings) Section(setting string) (Settings, bool) {
	if s.where.doc == nil {
		return Settings{}, false
	}
	for _, p := range s.where.doc.again().pairs(s.where.at, s.where.node) {
		if p.name == setting && !isNull(p.value) {
			return Settings{where: settings{s.where.doc, join(s.where.at, setting), p.key, p.value}}, true
		}
	}
	return Settings{}, false
}

// Fault is a fault of one setting; the empty setting means all of them. It is
// nil if one of that setting has been reported already: what is left of its
// value says nothing.
func (s Settings) Fault(setting, format string, args ...any) error {
	return s.where.fault(setting, fmt.Sprintf(format, args...))
}

// Build decodes the settings into the struct that into points to and calls build,
// which makes the backend of it. What either finds wrong becomes faults with
// places: each error that build joins begins with the setting it is about,
// "base_url is empty: set it to …". The backend's name before it is taken off.
func (s Settings) Build(into any, backend string, build func() error) error {
	faults := []error{s.Decode(into, backend)}
	return Join(append(faults, s.placed(into, backend, build())...)...)
}

// placed gives each error that is joined in err the place of the setting that it
// begins with, if the struct that into points to has it.
func (s Settings) placed(into any, backend string, err error) []error {
	fields := fieldsOf(reflect.ValueOf(into).Elem())
	var faults []error
	for _, text := range texts(err) {
		setting, rest, _ := cutWord(strings.TrimPrefix(text, backend+": "))
		if _, known := fields[setting]; known {
			faults = append(faults, s.Fault(setting, "%s", rest))
		} else {
			faults = append(faults, s.Fault("", ": %s", strings.TrimPrefix(text, backend+": ")))
		}
	}
	return faults
}

// Place gives an error that is no [Fault] yet the place of the settings.
func (s Settings) Place(err error) error {
	if f := (*Fault)(nil); err == nil || errors.As(err, &f) {
		return err
	}
	return s.Fault("", ": %v", err)
}

// texts takes joined errors apart. What was said around all of them is said
// around each.
func texts(err error) []string {
	if err == nil {
		return nil
	}
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		joined, ok := inner.(interface{ Unwrap() []error })
		if !ok {
			continue
		}
		before, after, found := strings.Cut(err.Error(), inner.Error())
		if !found {
			break
		}
		var all []string
		for _, one := range joined.Unwrap() {
			for _, text := range texts(one) {
				all = append(all, before+text+after)
			}
		}
		return all
	}
	return []string{strings.ReplaceAll(err.Error(), "\n", " ")}
}

// cutWord cuts "base_url is empty" before the space, and "base_url: it is empty"
// before the colon.
func cutWord(text string) (word, rest string, ok bool) {
	i := strings.IndexAny(text, ": ")
	if i < 0 {
		return text, "", false
	}
	return text[:i], strings.TrimPrefix(text[i:], " "), true
}

// settings is where a mapping of settings stands.
type settings struct {
	doc       *document
	at        string
	key, node *yaml.Node
}

func (s settings) fault(setting, text string) error {
	at := s.at
	if setting != "" {
		at = join(at, setting)
	}
	if s.doc == nil {
		return &Fault{Key: at, Text: text}
	}
	if s.doc.broken[at] {
		return nil
	}
	if s.doc.file == "" && setting == "" {
		// Nobody wrote an entry there: its name would only puzzle.
		return &Fault{Text: strings.TrimPrefix(text, ": ")}
	}
	node, inside := s.key, s.node
	for _, name := range strings.Split(setting, ".") { // "budget.money" is in a mapping of its own
		if inside = find(s.doc.again().pairs(s.at, inside), name); inside == nil {
			break
		}
		node = inside
	}
	return s.doc.at(node, at, text)
}

// Format writes the place of the settings under every verb.
func (s Settings) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "settings of "+s.where.at) }
