package config

import (
	"regexp"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/tools"
)

var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// callbacks is a section of settings, not of entries.
func (d *document) callbacks(p pair) Settings {
	if isNull(p.value) {
		return Settings{}
	}
	if p.value.Kind != yaml.MappingNode {
		d.fault(p.value, p.name, "is %s: it must be a mapping of settings", shape(p.value))
		return Settings{}
	}
	return Settings{where: place{d, p.name, p.key, p.value}}
}

// encryption is a section of settings. Without any, it is there all the same: to leave the
// payloads readable must not be a slip.
func (d *document) encryption(p pair) *Settings {
	s := Settings{where: place{d, p.name, p.key, p.value}}
	if isNull(p.value) || p.value.Kind != yaml.MappingNode {
		d.fault(p.value, p.name, "is no mapping of settings: write key and keys below it, or take it out")
		s = Settings{where: place{d, p.name, p.key, &yaml.Node{Kind: yaml.MappingNode, Line: p.key.Line}}}
	}
	return &s
}

// direct adds the platform that needs no section: agents name it, or name none
// where there is none.
func (d *document) direct(c *Config, havePlatforms bool) {
	named := func(p Platform) bool { return p.Name == DirectPlatform }
	if slices.ContainsFunc(c.Platforms, named) {
		return
	}
	wanted := false
	for _, a := range c.Agents {
		plain := a.Platform == "" && a.Project == "" && a.Agent == "" && len(c.Platforms) == 0 && !havePlatforms
		wanted = wanted || plain || a.Platform == DirectPlatform
	}
	if wanted {
		c.Platforms = append(c.Platforms, Platform{
			Name: DirectPlatform, Type: DirectPlatform, PollInterval: DefaultPollInterval, Settings: givenSettings("platforms", DirectPlatform),
		})
	}
}

// section lists a section's entries, those with a useful name and settings.
func (d *document) section(p pair) []pair {
	if isNull(p.value) {
		return nil
	}
	if p.value.Kind != yaml.MappingNode {
		d.fault(p.value, p.name, "is %s: it must be a mapping from names to settings", shape(p.value))
		return nil
	}
	var entries []pair
	for _, e := range d.pairs(p.name, p.value) {
		at := join(p.name, e.name)
		switch {
		case !validName.MatchString(e.name):
			d.fault(e.key, at, "is no usable name: use letters, digits, and . _ - between them")
		case isNull(e.value):
			d.fault(e.key, at, "has no settings: write them below it, or take the name out")
		case e.value.Kind != yaml.MappingNode:
			d.fault(e.value, at, "is %s: it must be a mapping of settings", shape(e.value))
		default:
			entries = append(entries, e)
		}
	}
	return entries
}

// loose decodes what is known and leaves other keys to the backend.
func (d *document) loose(at string, node *yaml.Node, into any) {
	var others []string
	for _, p := range d.again().pairs(at, node) {
		others = append(others, p.name)
	}
	d.decode(at, node, into, "", others...)
}

func (d *document) platform(e pair) Platform {
	at := join("platforms", e.name)
	var s struct {
		Type         string         `yaml:"type"`
		Settle       *time.Duration `yaml:"settle"`
		MaxOpen      *int           `yaml:"max_open"`
		BackPressure *bool          `yaml:"back_pressure"`
		PollInterval *time.Duration `yaml:"poll_interval"`
		AdoptAfter   time.Duration  `yaml:"adopt_after"`
	}
	d.loose(at, e.value, &s)
	switch {
	case e.name == SchedulePlatform, slices.Contains(reservedNames, e.name), e.name == DirectPlatform && s.Type != "" && s.Type != DirectPlatform:
		d.fault(e.key, at, "is taken: choose another name")
	case e.name != DirectPlatform && s.Type == DirectPlatform:
		d.fault(e.key, at, "is of type %s, which has one platform, called %s: rename it, or leave it out", DirectPlatform, DirectPlatform)
	}
	values := d.pairs(at, e.value)
	if s.Settle != nil && *s.Settle < 0 {
		d.fault(find(values, "settle"), join(at, "settle"), "is %v: write 0s or more", *s.Settle)
	}
	if s.AdoptAfter < 0 {
		d.fault(find(values, "adopt_after"), join(at, "adopt_after"), "is %v: write 0s, which is never, or more", s.AdoptAfter)
	}
	interval := DefaultPollInterval
	if s.PollInterval != nil {
		if interval = *s.PollInterval; interval < minPollInterval {
			d.fault(find(values, "poll_interval"), join(at, "poll_interval"), "is %v: write %v or more", interval, minPollInterval)
		}
	}
	return Platform{
		Name: e.name, Type: s.Type, Settle: s.Settle, MaxOpen: s.MaxOpen, FixedMaxOpen: s.BackPressure != nil && !*s.BackPressure,
		PollInterval: interval, AdoptAfter: s.AdoptAfter,
		Settings: Settings{where: place{d, at, e.key, e.value}, common: []string{"type", "settle", "max_open", "back_pressure", "poll_interval", "adopt_after"}},
	}
}

func (d *document) executor(e pair) Executor {
	at := join("executors", e.name)
	var s struct {
		Type string `yaml:"type"`
	}
	d.loose(at, e.value, &s)
	if e.name == executors.Auto {
		d.fault(e.key, at, "is reserved: it means the first executor that is available; choose another name")
	}
	return Executor{Name: e.name, Type: s.Type, Settings: Settings{where: place{d, at, e.key, e.value}, common: []string{"type", "limits", "budget", "task_breaker"}}}
}

func (d *document) tools(e pair) Tools {
	at := join("tools", e.name)
	var s struct {
		Type        string `yaml:"type"`
		tools.Rules `yaml:",inline"`
	}
	d.loose(at, e.value, &s)
	own := Settings{where: place{d, at, e.key, e.value}, common: []string{"type", "allow", "ask", "retry", "timeout"}}
	d.add(own.Place(s.Rules.Validate()))
	return Tools{Name: e.name, Type: s.Type, Rules: s.Rules, Settings: own}
}
