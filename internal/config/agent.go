package config

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/conversation/spending"
	"github.com/parley-run/parley/executors"
)

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
		OnAmbiguous      string         `yaml:"on_ambiguous"`
		MaxMessageBytes  *int           `yaml:"max_message_bytes"`
		OnOversize       string         `yaml:"on_oversize"`
		PlatformAttempts *int           `yaml:"platform_attempts"`
		Executors        []string       `yaml:"executors"`
		RefusalText      string         `yaml:"refusal_text"`
		OnLength         string         `yaml:"on_length"`
		OmittedText      string         `yaml:"omitted_text"`
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
		where: place{d, at, e.key, e.value},
	}
	a.Policy.Executor = cmp.Or(s.Executor, executors.Auto)
	a.Policy.Executors, a.Policy.RefusalText, a.Policy.Tools = s.Executors, s.RefusalText, s.Tools
	a.Policy.OmittedText = s.OmittedText
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
	switch on := conversation.OnAmbiguous(s.OnAmbiguous); on {
	case "", conversation.ParkAmbiguous, conversation.ResendAmbiguous:
		a.Policy.OnAmbiguous = on
	default:
		wrong("on_ambiguous", "is %q: write %s or %s", on, conversation.ParkAmbiguous, conversation.ResendAmbiguous)
	}
	switch on := conversation.OnOversize(s.OnOversize); on {
	case "", conversation.CutOversize, conversation.ParkOversize:
		a.Policy.OnOversize = on
	default:
		wrong("on_oversize", "is %q: write %s or %s", on, conversation.CutOversize, conversation.ParkOversize)
	}
	switch on := conversation.OnLength(s.OnLength); on {
	case "", conversation.SendCutOff, conversation.ContinueCutOff, conversation.RefuseCutOff:
		a.Policy.OnLength = on
	default:
		wrong("on_length", "is %q: write %s, %s or %s", on, conversation.SendCutOff, conversation.ContinueCutOff, conversation.RefuseCutOff)
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
		{"max_message_bytes", s.MaxMessageBytes, &a.Policy.MaxMessageBytes},
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
	if n := a.Policy.MaxMessageBytes; n > conversation.DefaultMaxMessageBytes {
		wrong("max_message_bytes", "is %d: write at most %d, which is what fits into a history", n, conversation.DefaultMaxMessageBytes)
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
func (d *document) references(c *Config, types Types) {
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
		if p, ok := c.Platform(a.Platform); ok && a.Policy.Executors == nil {
			for _, e := range c.Executors {
				if slices.Contains(types.platform(p.Type).Executors, e.Type) {
					a.Policy.Executors = append(a.Policy.Executors, e.Name)
				}
			}
		}
		if !slices.Contains(executorNames, a.Policy.Executor) {
			wrong("executor", "is %q, which is not among the executors: %s", a.Policy.Executor, suggest(a.Policy.Executor, executorNames))
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
