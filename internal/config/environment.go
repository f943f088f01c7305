package config

import (
	"cmp"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/workflows"
)

// fromEnvironment is the configuration that stands in for a file.
const fromEnvironment = `
platforms:
  onerun:
    type: onerun
    base_url: ${ONERUN_API_BASE_URL}
    api_key: ${ONERUN_API_KEY}
agents:
  default:
    platform: onerun
    project: ${ONERUN_PROJECT_ID}
    agent: ${ONERUN_AGENT_ID}
` + callbacksFromEnvironment

// pulseFromEnvironment is the same for RunAgent Pulse.
const pulseFromEnvironment = `
platforms:
  pulse:
    type: pulse
    url: ${PULSE_SERVER_URL}
    api_key: ${PULSE_API_KEY:-}
agents:
  default:
    platform: pulse
` + callbacksFromEnvironment

// callbacksFromEnvironment says which callbacks may be sent, and how they are signed.
const callbacksFromEnvironment = `
callbacks:
  secret: ${CALLBACK_SECRET:-}
  allow_private: ${CALLBACK_ALLOW_PRIVATE:-}
`

// pulseType and runagentType belong together: Pulse's tasks name RunAgent's agents.
const pulseType, runagentType = "pulse", "runagent"

// defaultModel answers where there is a key and no word about the model: a small
// one that every key may use.
const defaultModel = "gpt-4.1-mini"

// The executors there are where none are configured.
const (
	openaiExecutor = `
  openai:
    type: openai
    api_key: ${OPENAI_API_KEY:-}
    base_url: ${OPENAI_BASE_URL:-}
    model: %s
`
	scriptedExecutor = `
  scripted:
    type: scripted
`
	// What tasks of Pulse name, in the order in which Pulse chooses.
	serverlessExecutor = `
  serverless:
    type: runagent
    api_key: ${RUNAGENT_API_KEY}
    url: ${RUNAGENT_BASE_URL:-}
`
	localExecutor = `
  local:
    type: runagent
    mode: local
`
)

// variables says what the environment must tell.
var variables = map[string]string{
	"ONERUN_API_BASE_URL": "the address of OneRun's API, such as http://localhost:3001",
	"ONERUN_API_KEY":      "the key that OneRun has as AUTH_API_KEY",
	"ONERUN_PROJECT_ID":   "the id of the project in OneRun",
	"ONERUN_AGENT_ID":     "the id of the agent in OneRun that this worker speaks for",
	"PULSE_SERVER_URL":    "the address of RunAgent Pulse, such as http://localhost:8000",
	"OPENAI_MODEL":        "the model to ask at OPENAI_BASE_URL",
}

// environment is the configuration without a file.
func (src Source) environment() (*Config, error) {
	c := &Config{Dir: src.Dir}
	d := src.builtin(src.described(), c)
	if len(src.set(ofOneRun)) > 0 && len(src.set(ofPulse)) > 0 {
		d.faults = append(d.faults, &Fault{Key: src.set(ofPulse)[0], Text: "is set beside " + src.set(ofOneRun)[0] +
			": the environment describes one platform; unset the other's variables, or describe both in parley.yaml"})
	}
	err := src.defaultExecutors(c)
	for i := range c.Agents {
		a := &c.Agents[i]
		a.Policy.Executor = cmp.Or(src.Executor, executors.Auto)
		a.Name = cmp.Or(a.Agent, a.Name)
	}
	src.Given.add(c)
	d.references(c)
	for _, f := range d.faults { // the only setting that is no variable's
		if f.Key == "agents.default.executor" {
			f.Key = "--executor"
		}
	}
	c.TaskQueue = cmp.Or(src.TaskQueue, workflows.DefaultTaskQueue)
	return c, Join(d.faults, err)
}

// described is what the variables are about: OneRun, unless only Pulse's are set.
func (src Source) described() string {
	if len(src.set(ofOneRun)) == 0 && len(src.set(ofPulse)) > 0 {
		return pulseFromEnvironment
	}
	return fromEnvironment
}

// The variables that each platform is described by.
var (
	ofOneRun = []string{"ONERUN_API_BASE_URL", "ONERUN_API_KEY", "ONERUN_PROJECT_ID", "ONERUN_AGENT_ID"}
	ofPulse  = []string{"PULSE_SERVER_URL", "PULSE_API_KEY"}
)

// has reports whether a variable, or the file with its value, is given.
func (src Source) has(name string) bool {
	value, _ := src.Lookup(name)
	return value != "" || fileOf(src.Lookup, name) != ""
}

// set are those of the variables that are there and not empty.
func (src Source) set(names []string) (set []string) {
	for _, name := range names {
		if src.has(name) {
			set = append(set, name)
		}
	}
	return set
}

func (src Source) defaultExecutors(c *Config) error {
	text := "executors:"
	isPulse := func(p Platform) bool { return p.Type == pulseType }
	if slices.ContainsFunc(c.Platforms, isPulse) {
		if src.has("RUNAGENT_API_KEY") {
			text += serverlessExecutor
		}
		text += localExecutor
		// Nothing else must answer for an agent that somebody has scheduled.
		if !slices.ContainsFunc(c.Platforms, func(p Platform) bool { return !isPulse(p) }) {
			return src.read(text, c)
		}
	}
	server, _ := src.Lookup("OPENAI_BASE_URL")
	switch {
	case server != "": // only its owner knows which models it has
		text += fmt.Sprintf(openaiExecutor, "${OPENAI_MODEL}")
	case src.has("OPENAI_API_KEY"):
		text += fmt.Sprintf(openaiExecutor, "${OPENAI_MODEL:-"+defaultModel+"}")
	}
	return src.read(text+scriptedExecutor, c)
}

func (src Source) read(text string, c *Config) error {
	var executors Config
	d := src.builtin(text, &executors)
	c.Executors = executors.Executors
	for i := range c.Agents {
		a := &c.Agents[i]
		if p, ok := c.Platform(a.Platform); !ok || p.Type != pulseType || a.Policy.Executor != "auto" || len(c.Platforms) == 1 {
			continue
		}
		a.Policy.Executor = c.Executors[0].Name // not those for the others
	}
	return Join(d.faults)
}

// builtin reads one of the texts above. Its faults are those of the variables.
func (src Source) builtin(text string, c *Config) *document {
	d := newDocument("")
	root := d.parse([]byte(text))
	x := &expander{
		document: d, lookup: src.Lookup, readFile: src.ReadFile, done: map[*yaml.Node]bool{},
		missing: func(name string) string { return variables[name] },
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
