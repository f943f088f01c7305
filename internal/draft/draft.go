// Package draft writes the first parley.yaml: one platform, one executor and one agent,
// with comments. The entries are the samples of the types in the registry, so this package
// names none.
package draft

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"go.yaml.in/yaml/v3"

	"github.com/parley-run/parley/internal/assemble"
	"github.com/parley-run/parley/internal/config"
)

// A Choice is what the file is to be for.
type Choice struct {
	// Platform and Executor are types in the registry. Required.
	Platform, Executor string
	// PlatformURL and ExecutorURL are addresses, and Model is the model to ask. Empty: the
	// sample's own. They are faults for types without such a setting.
	PlatformURL, ExecutorURL, Model string
	// Name is the agent's in the file. Default: [DefaultName].
	Name string
	// Project and Agent are its ids on the platform. Empty: variables of the environment
	// have them, if the platform needs them.
	Project, Agent string
}

// DefaultName is the agent's.
const DefaultName = "support"

// A Draft is the text of a file.
type Draft struct {
	Text string
	// Variables of the environment that it needs, in the text's order.
	Variables []Variable
}

// A Variable is one that the file refers to.
type Variable struct {
	Name string
	// Text says what it holds. Empty: its name says it.
	Text string
	// Required is false for one that the file has a default for.
	Required bool
}

// New writes a file. Its error is about the choice, or joins several.
func New(types assemble.Backends, c Choice) (Draft, error) {
	c.Name = cmp.Or(c.Name, DefaultName)
	platform, knownPlatform := find(types.Platforms, c.Platform, func(t assemble.PlatformType) string { return t.Name })
	executor, knownExecutor := find(types.Executors, c.Executor, func(t assemble.ExecutorType) string { return t.Name })
	var faults []error
	if !knownPlatform {
		faults = append(faults, unknown("platform", c.Platform, PlatformNames(types)))
	}
	if !knownExecutor {
		faults = append(faults, unknown("executor", c.Executor, ExecutorNames(types, c.Platform)))
	}
	if len(faults) > 0 {
		return Draft{}, errors.Join(faults...)
	}
	if err := c.check(types, platform, executor); err != nil {
		return Draft{}, err
	}
	text, err := c.text(platform, executor)
	if err != nil {
		return Draft{}, err
	}
	d := Draft{Text: text}
	d.Variables = variables(text, platform)
	return d, nil
}

// check finds choices that the types have no place for.
func (c Choice) check(types assemble.Backends, platform assemble.PlatformType, executor assemble.ExecutorType) error {
	var faults []error
	if names := ExecutorNames(types, c.Platform); !slices.Contains(names, c.Executor) {
		faults = append(faults, fmt.Errorf("the tasks of %s are for executors of type %s, and %s is none",
			platform.Title, strings.Join(names, " or "), c.Executor))
	}
	for _, given := range []struct {
		what, value, of string
		takes           bool
	}{
		{"model", c.Model, executor.Name, takesModel(executor.Sample)},
		{"address", c.ExecutorURL, executor.Name, takesURL(executor.Sample)},
		{"address", c.PlatformURL, platform.Name, takesURL(platform.Sample)},
		{"project", c.Project, platform.Name, platform.NeedsProject},
		{"agent id", c.Agent, platform.Name, platform.NeedsAgent},
	} {
		if given.value != "" && !given.takes {
			faults = append(faults, fmt.Errorf("%s has no %s to set: leave %q out", given.of, given.what, given.value))
		}
	}
	return errors.Join(faults...)
}

// PlatformNames are the types that a file can be drafted for.
func PlatformNames(types assemble.Backends) []string {
	var names []string
	for _, t := range types.Platforms {
		names = append(names, t.Name)
	}
	return names
}

// ExecutorNames are the types of executors that suit a platform, in the registry's order.
func ExecutorNames(types assemble.Backends, platform string) []string {
	p, _ := find(types.Platforms, platform, func(t assemble.PlatformType) string { return t.Name })
	var names []string
	for _, t := range types.Executors {
		if len(p.Executors) == 0 || slices.Contains(p.Executors, t.Name) {
			names = append(names, t.Name)
		}
	}
	return names
}

func takesModel(sample string) bool { return strings.Contains(sample, ".Model") }

// Defaults are the model to ask and the address to call in the sample of an executor that
// lets them be chosen. Empty: there is none, or it may be left out.
func Defaults(t assemble.ExecutorType) (model, url string) {
	text, err := fill(t.Sample, t.Name, map[string]any{"URL": "", "Model": "", "Tasks": false})
	if err != nil {
		return "", ""
	}
	var entry struct{ Model, URL string }
	if yaml.Unmarshal([]byte(text), &entry) != nil {
		return "", ""
	}
	if takesModel(t.Sample) {
		model = entry.Model
	}
	if takesURL(t.Sample) {
		url = entry.URL
	}
	return model, url
}

func takesURL(sample string) bool { return strings.Contains(sample, ".URL") }

func find[T any](types []T, name string, nameOf func(T) string) (found T, ok bool) {
	i := slices.IndexFunc(types, func(t T) bool { return nameOf(t) == name })
	if i < 0 {
		return found, false
	}
	return types[i], true
}

func unknown(what, name string, names []string) error {
	if name == "" {
		return fmt.Errorf("the %s is missing: name one of %s", what, strings.Join(names, ", "))
	}
	return fmt.Errorf("there is no %s %q: %s", what, name, config.Suggest(name, names))
}

// text composes the file.
func (c Choice) text(platform assemble.PlatformType, executor assemble.ExecutorType) (string, error) {
	var b strings.Builder
	b.WriteString(head)
	if platform.New != nil {
		b.WriteString(platformHead)
		entry, err := fill(platform.Sample, platform.Name, map[string]any{"URL": c.PlatformURL})
		if err != nil {
			return "", err
		}
		section(&b, "platforms", platform.Name, entry)
	}
	b.WriteString(executorHead)
	entry, err := fill(executor.Sample, executor.Name, map[string]any{"URL": c.ExecutorURL, "Model": c.Model, "Tasks": len(platform.Executors) > 0})
	if err != nil {
		return "", err
	}
	section(&b, "executors", executor.Name, entry)
	b.WriteString(agentHead)
	section(&b, "agents", c.Name, c.agent(platform))
	return b.String(), nil
}

const (
	head = `# Parley's configuration. Any value may be ${NAME}, a variable of the environment, or
# ${NAME:-default}, or ${file:path}. Keys and passwords must be: they are not written here.
# A line such as "# max_open: 10" is a setting with its default or an example: remove the # to set it.
# "starter doctor" says what is wrong with this file.

# Where workflows and workers meet at Temporal.
# task_queue: parley
`
	platformHead = "\n# Where conversations come from.\n"
	executorHead = "\n# What replies.\n"
	agentHead    = "\n# Who replies to whom. More agents are more entries.\n"
)

func section(b *strings.Builder, name, entry, text string) {
	fmt.Fprintf(b, "%s:\n  %s:\n", name, scalar(entry))
	for line := range strings.Lines(text) {
		b.WriteString("    " + line)
	}
}

// agent is the agent's entry.
func (c Choice) agent(platform assemble.PlatformType) string {
	var b strings.Builder
	fmt.Fprintf(&b, "platform: %s\n", scalar(platform.Name))
	for _, id := range []struct {
		key, value string
		needed     bool
	}{{"project", c.Project, platform.NeedsProject}, {"agent", c.Agent, platform.NeedsAgent}} {
		if !id.needed {
			continue
		}
		value := scalar(id.value)
		for _, v := range platform.Environment {
			if v.Agent && v.Setting == id.key {
				fmt.Fprintf(&b, "# %s.\n", upperFirst(v.Text))
				if id.value == "" {
					value = "${" + v.Name + "}"
				}
			}
		}
		fmt.Fprintf(&b, "%s: %s\n", id.key, value)
	}
	fmt.Fprintf(&b, "executor: %s\n", scalar(c.Executor))
	b.WriteString(agentMore)
	return b.String()
}

// agentMore are settings that every agent has.
const agentMore = `# What happens when retries end: park waits for an operator, end ends the conversation.
# on_exhausted: park
# Replies after which the conversation ends. Default: only the platform limits them.
# max_turns: 40
`

func fill(sample, name string, values map[string]any) (string, error) {
	if sample == "" {
		return "type: " + scalar(name) + "\n", nil
	}
	t, err := template.New(name).Funcs(template.FuncMap{"yaml": scalar}).Parse(sample)
	if err != nil {
		return "", fmt.Errorf("draft: sample of %s: %w", name, err)
	}
	var b strings.Builder
	if err := t.Execute(&b, values); err != nil {
		return "", fmt.Errorf("draft: sample of %s: %w", name, err)
	}
	return b.String(), nil
}

// scalar writes a text as YAML, in quotes where it needs them.
func scalar(text string) string {
	written, err := yaml.Marshal(text)
	if err != nil || strings.Count(string(written), "\n") > 1 {
		return fmt.Sprintf("%q", text)
	}
	return strings.TrimSuffix(string(written), "\n")
}

func upperFirst(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

var reference = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)(:-)?[^}]*\}`)

// variables are those that the text refers to outside of comments.
func variables(text string, platform assemble.PlatformType) []Variable {
	about := make(map[string]string)
	for _, v := range platform.Environment {
		about[v.Name] = v.Text
	}
	var all []Variable
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for _, m := range reference.FindAllStringSubmatch(line, -1) {
			if !slices.ContainsFunc(all, func(v Variable) bool { return v.Name == m[1] }) {
				all = append(all, Variable{Name: m[1], Text: about[m[1]], Required: m[2] == ""})
			}
		}
	}
	return all
}
