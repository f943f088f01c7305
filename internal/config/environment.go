package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/workflows"
)

// Types are what the backends say about themselves.
type Types struct {
	// Platforms are the types of platforms. The first that the environment can describe
	// is the one it lacks variables of when none are set.
	Platforms []platforms.Type
	// Executors are those that there are where none are configured, the preferred first.
	Executors []executors.Default
}

// platform is the type of that name, or one that says nothing.
func (t Types) platform(name string) platforms.Type {
	for _, known := range t.Platforms {
		if known.Name == name {
			return known
		}
	}
	return platforms.Type{}
}

// OfTasks reports whether an executor type is one that a platform's tasks name.
func (t Types) OfTasks(executor string) bool {
	return slices.ContainsFunc(t.Platforms, func(p platforms.Type) bool { return slices.Contains(p.Executors, executor) })
}

// example is how an instance is written.
func (t Types) example() string {
	for _, known := range t.Platforms {
		if len(known.Environment) == 0 {
			continue
		}
		text := "{type: " + known.Name
		for _, v := range known.Environment {
			if v.Required && !v.Agent {
				text += ", " + v.Setting + ": …"
			}
		}
		return text + "}"
	}
	return "{type: …}"
}

// callbacksFromEnvironment says which callbacks may be sent, and how they are signed.
const callbacksFromEnvironment = `
callbacks:
  secret: ${CALLBACK_SECRET:-}
  allow_private: ${CALLBACK_ALLOW_PRIVATE:-}
`

// environment is the configuration without a file.
func (src Source) environment() (*Config, error) {
	c := &Config{Dir: src.Dir}
	described, doubled := src.described()
	d := src.builtin(platformText(described)+callbacksFromEnvironment, c)
	if doubled != nil {
		d.faults = append(d.faults, doubled)
	}
	err := src.defaultExecutors(c)
	for i := range c.Agents {
		a := &c.Agents[i]
		a.Policy.Executor = cmp.Or(src.Executor, executors.Auto)
		a.Name = cmp.Or(a.Agent, a.Name)
	}
	src.Given.add(c)
	d.references(c, src.Types)
	for _, f := range d.faults { // the only setting that is no variable's
		if f.Key == "agents.default.executor" {
			f.Key = "--executor"
		}
	}
	c.TaskQueue = cmp.Or(src.TaskQueue, workflows.DefaultTaskQueue)
	return c, Join(d.faults, err)
}

// described is the type that variables are set of, the first of all if none are, and the
// fault of variables that describe another beside it.
func (src Source) described() (platforms.Type, *Fault) {
	var (
		found, first platforms.Type
		set          string
	)
	for _, t := range src.Types.Platforms {
		if len(t.Environment) == 0 {
			continue
		}
		if first.Name == "" {
			first = t
		}
		variable, ok := src.anySet(t)
		switch {
		case !ok:
		case found.Name == "":
			found, set = t, variable
		default:
			return found, &Fault{Key: variable, Text: "is set beside " + set,
				Remedy: "the environment describes one platform; unset the other's variables, or describe both in parley.yaml"}
		}
	}
	if found.Name == "" {
		return first, nil
	}
	return found, nil
}

// anySet is the first of the type's variables that is set.
func (src Source) anySet(t platforms.Type) (name string, ok bool) {
	for _, v := range t.Environment {
		if src.has(v.Name) {
			return v.Name, true
		}
	}
	return "", false
}

// platformText is the file that means the same as the variables of a type.
func platformText(t platforms.Type) string {
	if t.Name == "" {
		return ""
	}
	platform, agent := &strings.Builder{}, &strings.Builder{}
	for _, v := range t.Environment {
		into := platform
		if v.Agent {
			into = agent
		}
		fallback := ":-"
		if v.Required {
			fallback = ""
		}
		_, _ = fmt.Fprintf(into, "    %s: ${%s%s}\n", v.Setting, v.Name, fallback)
	}
	return fmt.Sprintf("platforms:\n  %s:\n    type: %s\n%sagents:\n  default:\n    platform: %s\n%s", t.Name, t.Name, platform, t.Name, agent)
}

// has reports whether a variable, or the file with its value, is given.
func (src Source) has(name string) bool {
	value, _ := src.Lookup(name)
	return value != "" || fileOf(src.Lookup, name) != ""
}

// defaultExecutors adds the executors that there are where none are configured. Those
// that tasks name are for platforms of such tasks alone, and on such platforms no other
// may answer: an agent that was scheduled is not to be replaced.
func (src Source) defaultExecutors(c *Config) error {
	var types []string
	others := false
	for _, p := range c.Platforms {
		named := src.Types.platform(p.Type).Executors
		types = append(types, named...)
		others = others || len(named) == 0
	}
	others = others || len(c.Platforms) == 0
	var all []executors.Default
	for _, d := range src.Types.Executors {
		if slices.Contains(types, d.Type) {
			all = append(all, d)
		}
	}
	if others {
		for _, d := range src.Types.Executors {
			if !src.Types.OfTasks(d.Type) {
				all = append(all, d)
			}
		}
	}
	text := "executors:\n"
	var names []string
	for _, d := range all {
		if d.If != "" && !src.has(d.If) || slices.Contains(names, d.Name) {
			continue
		}
		names = append(names, d.Name)
		text += executorText(d)
	}
	if len(names) == 0 {
		return nil
	}
	var made Config
	doc := src.builtin(text, &made)
	c.Executors = made.Executors
	src.chooseForTasks(c)
	return Join(doc.faults)
}

// chooseForTasks gives agents that leave the choice to "auto" an executor of those that
// their platform's tasks name, where there are others too.
func (src Source) chooseForTasks(c *Config) {
	for i := range c.Agents {
		a := &c.Agents[i]
		p, ok := c.Platform(a.Platform)
		types := src.Types.platform(p.Type).Executors
		if !ok || len(types) == 0 || a.Policy.Executor != executors.Auto || len(c.Platforms) == 1 {
			continue
		}
		for _, e := range c.Executors {
			if slices.Contains(types, e.Type) {
				a.Policy.Executor = e.Name
				break
			}
		}
	}
}

// executorText is the entry of a default executor.
func executorText(d executors.Default) string {
	text := fmt.Sprintf("  %s:\n    type: %s\n", d.Name, d.Type)
	for _, key := range slices.Sorted(maps.Keys(d.Settings)) {
		text += fmt.Sprintf("    %s: %s\n", key, d.Settings[key])
	}
	for _, v := range d.Environment {
		fallback := ":-" + v.Default
		if v.Required != "" {
			fallback = ""
		}
		text += fmt.Sprintf("    %s: ${%s%s}\n", v.Setting, v.Name, fallback)
	}
	return text
}

// purpose says what a variable should hold.
func (src Source) purpose(name string) string {
	for _, t := range src.Types.Platforms {
		for _, v := range t.Environment {
			if v.Name == name {
				return v.Text
			}
		}
	}
	for _, d := range src.Types.Executors {
		for _, v := range d.Environment {
			if v.Name == name && v.Required != "" {
				return v.Required
			}
		}
	}
	return ""
}

// builtin reads one of the texts above. Its faults are those of the variables.
func (src Source) builtin(text string, c *Config) *document {
	d := newDocument("")
	root := d.parse([]byte(text))
	x := &expander{
		document: d, lookup: src.Lookup, readFile: src.ReadFile, done: map[*yaml.Node]bool{}, missing: src.purpose,
	}
	x.node("", root, false)
	for _, p := range d.pairs("", root) {
		if p.name == "callbacks" {
			c.Callbacks = d.callbacks(p)
			continue
		}
		for _, e := range d.section(p) {
			switch p.name {
			case "platforms":
				c.Platforms = append(c.Platforms, d.platform(e))
			case "executors":
				c.Executors = append(c.Executors, d.executor(e))
			case "agents":
				c.Agents = append(c.Agents, d.agent(e))
			}
		}
	}
	return d
}
