package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/spending"
	"github.com/parley-run/parley/tools"
	"github.com/parley-run/parley/workflows"
)

// A Source says where the configuration comes from.
type Source struct {
	// Path is the file. Empty: what PARLEY_CONFIG names, else parley.yaml in Dir
	// if there is one, else the environment.
	Path string
	// NoFile reads no file, whatever there is: only the environment.
	NoFile bool
	// Dir is the working directory. Empty: the process's own.
	Dir string
	// Lookup finds environment variables. Nil: there are none.
	Lookup func(name string) (string, bool)
	// ReadFile reads files. Nil: [os.ReadFile].
	ReadFile func(path string) ([]byte, error)
	// Executor is who speaks for the agent that the environment describes. Empty:
	// "auto". With a file it is a fault: the file says so for each agent.
	Executor string
	// TaskQueue overrides the file's.
	TaskQueue string
	// Given are the names of what a program that embeds Parley brings along.
	Given Given
}

// Given names what is not configured, because a program has made it itself.
// Agents may name it all the same. Executors come before the others for "auto".
type Given struct {
	Platforms, Executors, Tools []string
}

// add puts what is given in front of what is configured.
func (g Given) add(c *Config) {
	var platforms []Platform
	for _, name := range g.Platforms {
		platforms = append(platforms, Platform{Name: name, Given: true, PollInterval: DefaultPollInterval, Settings: givenSettings("platforms", name)})
	}
	var executors []Executor
	for _, name := range g.Executors {
		executors = append(executors, Executor{Name: name, Given: true, Settings: givenSettings("executors", name)})
	}
	var tools []Tools
	for _, name := range g.Tools {
		tools = append(tools, Tools{Name: name, Given: true, Settings: givenSettings("tools", name)})
	}
	c.Platforms = append(platforms, c.Platforms...)
	c.Executors = append(executors, c.Executors...)
	c.Tools = append(tools, c.Tools...)
}

func givenSettings(section, name string) Settings {
	return Settings{where: settings{at: join(section, name)}}
}

// Load reads the configuration without touching the network. Its error is
// [Faults]: all of them. The Config that comes with faults, if any, holds what
// could be read, so that a backend's settings can be looked at too before
// everything is reported.
//
// Without a file, four variables describe one agent on OneRun:
// ONERUN_API_BASE_URL, ONERUN_API_KEY, ONERUN_PROJECT_ID and ONERUN_AGENT_ID. If
// none of them is set, but one of PULSE_SERVER_URL and PULSE_API_KEY is, these
// describe a Pulse. Without executors in the file, or without a file, there are "openai" if
// OPENAI_API_KEY or OPENAI_BASE_URL is set, and "scripted". For agents on a Pulse
// there are "serverless" if RUNAGENT_API_KEY is set, and "local" instead. If they
// do not say otherwise, they may use every executor of type runagent.
func Load(src Source) (*Config, error) {
	if src.Lookup == nil {
		src.Lookup = func(string) (string, bool) { return "", false }
	}
	if src.ReadFile == nil {
		src.ReadFile = os.ReadFile
	}
	shown, path, data, err := src.file()
	if err != nil {
		return nil, err
	}
	if shown == "" {
		return src.environment()
	}
	d := newDocument(shown)
	root := d.parse(data)
	if root == nil {
		return nil, Join(d.faults)
	}
	dir := filepath.Dir(path)
	x := &expander{document: d, lookup: src.Lookup, readFile: src.ReadFile, dir: dir, done: map[*yaml.Node]bool{}}
	x.node("", root, false)

	c := &Config{Path: path, Dir: dir}
	d.config(root, c, len(src.Given.Platforms) > 0)
	if src.Executor != "" {
		d.fault(nil, "", "--executor goes with the environment only: set the executor of each agent in the file")
	}
	if len(c.Executors) == 0 && !has(d.pairs("", root), "executors") {
		if err := src.defaultExecutors(c); err != nil {
			return c, Join(d.faults, err)
		}
	}
	src.Given.add(c)
	d.references(c)
	c.TaskQueue = cmp.Or(src.TaskQueue, c.TaskQueue, workflows.DefaultTaskQueue)
	return c, Join(d.faults)
}

// file finds and reads the file. No name: there is none, and none was asked for.
func (src Source) file() (shown, path string, data []byte, err error) {
	if src.NoFile {
		return "", "", nil, nil
	}
	shown, how := src.Path, "--config"
	if shown == "" {
		shown, _ = src.Lookup("PARLEY_CONFIG")
		how = "PARLEY_CONFIG"
	}
	if shown == "" {
		shown, how = DefaultFile, ""
	}
	path = shown
	if !filepath.IsAbs(path) {
		path = filepath.Join(src.Dir, path)
	}
	data, err = src.ReadFile(path)
	switch {
	case err == nil:
		return shown, path, data, nil
	case errors.Is(err, fs.ErrNotExist) && how == "":
		return "", "", nil, nil
	case errors.Is(err, fs.ErrNotExist):
		return "", "", nil, Faults{{File: shown, Text: fmt.Sprintf("no such file: %s names it", cmp.Or(how, "the default"))}}
	default:
		var cause *fs.PathError
		if errors.As(err, &cause) {
			err = cause.Err
		}
		return "", "", nil, Faults{{File: shown, Text: fmt.Sprintf("cannot be read: %v", err)}}
	}
}

// config reads the sections.
func (d *document) config(root *yaml.Node, c *Config, havePlatforms bool) {
	for _, p := range d.pairs("", root) {
		switch p.name {
		case "task_queue":
			d.value(p.name, p.value, reflect.ValueOf(&c.TaskQueue).Elem())
		case "platforms":
			for _, e := range d.section(p) {
				c.Platforms = append(c.Platforms, d.platform(e))
			}
		case "executors":
			for _, e := range d.section(p) {
				c.Executors = append(c.Executors, d.executor(e))
			}
		case "tools":
			for _, e := range d.section(p) {
				c.Tools = append(c.Tools, d.tools(e))
			}
		case "callbacks":
			c.Callbacks = d.callbacks(p)
		case "agents":
			for _, e := range d.section(p) {
				c.Agents = append(c.Agents, d.agent(e))
			}
		default:
			d.fault(p.key, p.name, "is no section of the file: %s", suggest(p.name, sections))
		}
	}
	d.direct(c, havePlatforms)
	if len(c.Platforms) == 0 && !havePlatforms {
		d.fault(nil, "platforms", "is missing: name at least one platform, such as main: {type: onerun, base_url: …, api_key: …}")
	}
	if len(c.Agents) == 0 {
		d.fault(nil, "agents", "is missing: name at least one agent, such as support: {platform: main, project: …, agent: …}")
	}
}

// callbacks is a section of settings, not of entries.
func (d *document) callbacks(p pair) Settings {
	if isNull(p.value) {
		return Settings{}
	}
	if p.value.Kind != yaml.MappingNode {
		d.fault(p.value, p.name, "is %s: it must be a mapping of settings", shape(p.value))
		return Settings{}
	}
	return Settings{where: settings{d, p.name, p.key, p.value}}
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

var sections = []string{"agents", "callbacks", "executors", "platforms", "task_queue", "tools"}

var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

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
		PollInterval *time.Duration `yaml:"poll_interval"`
		AdoptAfter   time.Duration  `yaml:"adopt_after"`
	}
	d.loose(at, e.value, &s)
	switch {
	case e.name == SchedulePlatform, e.name == DirectPlatform && s.Type != "" && s.Type != DirectPlatform:
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
		Name: e.name, Type: s.Type, Settle: s.Settle, MaxOpen: s.MaxOpen,
		PollInterval: interval, AdoptAfter: s.AdoptAfter,
		Settings: Settings{where: settings{d, at, e.key, e.value}, common: []string{"type", "settle", "max_open", "poll_interval", "adopt_after"}},
	}
}

func (d *document) executor(e pair) Executor {
	at := join("executors", e.name)
	var s struct {
		Type string `yaml:"type"`
	}
	d.loose(at, e.value, &s)
	if e.name == executors.Auto {
		d.fault(e.key, at, "is taken: it stands for the first executor that is available, choose another name")
	}
	return Executor{Name: e.name, Type: s.Type, Settings: Settings{where: settings{d, at, e.key, e.value}, common: []string{"type", "limits", "budget"}}}
}

func (d *document) tools(e pair) Tools {
	at := join("tools", e.name)
	var s struct {
		Type        string `yaml:"type"`
		tools.Rules `yaml:",inline"`
	}
	d.loose(at, e.value, &s)
	own := Settings{where: settings{d, at, e.key, e.value}, common: []string{"type", "allow", "ask", "timeout"}}
	for _, fault := range own.placed(&s.Rules, "", s.Rules.Validate()) {
		d.add(fault)
	}
	return Tools{Name: e.name, Type: s.Type, Rules: s.Rules, Settings: own}
}

func (d *document) agent(e pair) Agent {
	at := join("agents", e.name)
	var s struct {
		Platform         string         `yaml:"platform"`
		Project          string         `yaml:"project"`
		Agent            string         `yaml:"agent"`
		Executor         string         `yaml:"executor"`
		OnExhausted      string         `yaml:"on_exhausted"`
		MaxTurns         int            `yaml:"max_turns"`
		ReplyTimeout     *time.Duration `yaml:"reply_timeout"`
		ReplyAttempts    *int           `yaml:"reply_attempts"`
		ExchangeTimeout  *time.Duration `yaml:"exchange_timeout"`
		PlatformAttempts *int           `yaml:"platform_attempts"`
		Executors        []string       `yaml:"executors"`
		RefusalText      string         `yaml:"refusal_text"`
		Tools            []string       `yaml:"tools"`
		ToolRounds       *int           `yaml:"tool_rounds"`
		ToolAttempts     *int           `yaml:"tool_attempts"`
		ToolResultBytes  *int           `yaml:"tool_result_bytes"`
		ApprovalTimeout  *time.Duration `yaml:"approval_timeout"`
		Budget           struct {
			spending.Limits `yaml:",inline"`
			OnSpent         string `yaml:"on_spent"`
		} `yaml:"budget"`
	}
	d.decode(at, e.value, &s, "an agent")
	a := Agent{
		Name: e.name, Platform: s.Platform, Project: s.Project, Agent: s.Agent,
		Executor: cmp.Or(s.Executor, executors.Auto),
		where:    settings{d, at, e.key, e.value},
	}
	a.Policy.Executors, a.Policy.RefusalText, a.Policy.Tools = s.Executors, s.RefusalText, s.Tools
	wrong := func(setting, format string, args ...any) { d.add(a.Fault(setting, format, args...)) }
	switch on := conversation.OnExhausted(s.OnExhausted); on {
	case "", conversation.Park, conversation.EndConversation:
		a.Policy.OnExhausted = on
	default:
		wrong("on_exhausted", "is %q: write %s or %s", on, conversation.Park, conversation.EndConversation)
	}
	// What a budget that is used up leads to is what everything else leads to,
	// unless it is said.
	switch on := conversation.OnExhausted(s.Budget.OnSpent); on {
	case "", conversation.Park, conversation.EndConversation:
		a.Policy.OnSpent = cmp.Or(on, a.Policy.OnExhausted)
	default:
		wrong("budget.on_spent", "is %q: write %s or %s", on, conversation.Park, conversation.EndConversation)
	}
	if a.Policy.MaxTokens = s.Budget.Tokens; s.Budget.Tokens < 0 {
		wrong("budget.tokens", "is %d: write 1 or more, or leave it out", s.Budget.Tokens)
	}
	if a.Policy.MaxCost = int64(s.Budget.Money); s.Budget.Money < 0 {
		wrong("budget.money", "is %s: write more than 0, or leave it out", s.Budget.Money)
	}
	if a.Policy.MaxTurns = s.MaxTurns; s.MaxTurns < 0 {
		wrong("max_turns", "is %d: write 1 or more, or 0 for the platform's own limit", s.MaxTurns)
	}
	durations := []struct {
		setting string
		value   *time.Duration
		into    *time.Duration
	}{
		{"reply_timeout", s.ReplyTimeout, &a.Policy.ReplyTimeout},
		{"exchange_timeout", s.ExchangeTimeout, &a.Policy.ExchangeTimeout},
		{"approval_timeout", s.ApprovalTimeout, &a.Policy.ApprovalTimeout},
	}
	for _, f := range durations {
		if f.value == nil {
			continue
		}
		if *f.into = *f.value; *f.value <= 0 {
			wrong(f.setting, "is %v: write a positive duration, or leave it out", *f.value)
		}
	}
	counts := []struct {
		setting string
		value   *int
		into    *int
	}{
		{"reply_attempts", s.ReplyAttempts, &a.Policy.ReplyAttempts},
		{"platform_attempts", s.PlatformAttempts, &a.Policy.PlatformAttempts},
		{"tool_rounds", s.ToolRounds, &a.Policy.ToolRounds},
		{"tool_attempts", s.ToolAttempts, &a.Policy.ToolAttempts},
		{"tool_result_bytes", s.ToolResultBytes, &a.Policy.ToolResultBytes},
	}
	for _, f := range counts {
		if f.value == nil {
			continue
		}
		if *f.into = *f.value; *f.value < 1 {
			wrong(f.setting, "is %d: write 1 or more, or leave it out", *f.value)
		}
	}
	if n := a.Policy.ToolResultBytes; n > conversation.MaxToolResultBytes {
		wrong("tool_result_bytes", "is %d: write at most %d, which is what fits into a history", n, conversation.MaxToolResultBytes)
	}
	return a
}

// setOf is the set of tools that an agent names by itself, or as set/tool.
func setOf(name string) string {
	set, _, _ := strings.Cut(name, "/")
	return set
}

// references checks that agents name platforms and executors there are, and that
// no two serve the same agent.
func (d *document) references(c *Config) {
	type scope struct{ platform, project, agent string }
	seen := make(map[scope]string)
	var platformNames []string
	for _, p := range c.Platforms {
		platformNames = append(platformNames, p.Name)
	}
	executorNames := []string{executors.Auto}
	for _, e := range c.Executors {
		executorNames = append(executorNames, e.Name)
	}
	var toolNames []string
	for _, t := range c.Tools {
		toolNames = append(toolNames, t.Name)
	}
	for i := range c.Agents {
		a := &c.Agents[i]
		wrong := func(setting, format string, args ...any) { d.add(a.Fault(setting, format, args...)) }
		if a.Platform == "" && len(platformNames) == 1 {
			a.Platform = platformNames[0]
		}
		switch {
		case len(platformNames) == 0: // said already
		case a.Platform == "":
			wrong("platform", "is missing: name one of the platforms: %s", strings.Join(platformNames, ", "))
		case !slices.Contains(platformNames, a.Platform):
			wrong("platform", "is %q, which is not among the platforms: %s", a.Platform, suggest(a.Platform, platformNames))
		}
		if p, ok := c.Platform(a.Platform); ok && p.Type == pulseType && a.Policy.Executors == nil {
			for _, e := range c.Executors {
				if e.Type == runagentType {
					a.Policy.Executors = append(a.Policy.Executors, e.Name)
				}
			}
		}
		if !slices.Contains(executorNames, a.Executor) {
			wrong("executor", "is %q, which is not among the executors: %s", a.Executor, suggest(a.Executor, executorNames))
		}
		for _, name := range a.Policy.Executors {
			if !slices.Contains(executorNames, name) {
				wrong("executors", "names %q, which is not among the executors: %s", name, suggest(name, executorNames))
			}
		}
		for _, name := range a.Policy.Tools {
			switch {
			case len(toolNames) == 0:
				wrong("tools", "names %q, but there is no section tools", name)
			case !slices.Contains(toolNames, setOf(name)):
				wrong("tools", "names %q, which is not among the tools: %s", setOf(name), suggest(setOf(name), toolNames))
			case strings.HasSuffix(name, "/"):
				wrong("tools", "has %q: name a tool behind the slash, or leave the slash out for all", name)
			}
		}
		if strings.Contains(a.Project, "/") {
			wrong("project", "is %q: a project's id has no slash", a.Project)
		}
		if a.Agent == "" {
			continue
		}
		id := scope{a.Platform, a.Project, a.Agent}
		if other, twice := seen[id]; twice {
			wrong("", "serves the same agent as agents.%s: keep one of them", other)
		}
		seen[id] = a.Name
	}
}
