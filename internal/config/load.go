package config

import (
	"cmp"
	"path/filepath"
	"reflect"

	"go.yaml.in/yaml/v3"

	"github.com/parley-run/parley/internal/yamlbound"
	"github.com/parley-run/parley/workflows"
)

// Load reads the configuration without touching the network. Its error is
// [Faults]: all of them. The Config that comes with faults, if any, holds what
// could be read, so that a backend's settings can be looked at too before
// everything is reported.
//
// Without a file, the variables of one type of platform describe an instance of it and
// one agent; see [platforms.Type]. Without executors in the file, or without a file,
// there are those of [Types], for agents of tasks those that their tasks name. If such
// agents do not say otherwise, they may use every executor of those types.
func Load(src Source) (*Config, error) {
	if src.Lookup == nil {
		src.Lookup = func(string) (string, bool) { return "", false }
	}
	if src.ReadFile == nil {
		src.ReadFile = yamlbound.ReadFile
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
	d.config(root, c, src)
	if src.Executor != "" {
		d.fault(nil, "", "--executor goes with the environment only: set the executor of each agent in the file")
	}
	if len(c.Executors) == 0 && !has(d.pairs("", root), "executors") {
		if err := src.defaultExecutors(c); err != nil {
			return c, Join(d.faults, err)
		}
	}
	src.Given.add(c)
	d.references(c, src.Types)
	c.TaskQueue = cmp.Or(src.TaskQueue, c.TaskQueue, workflows.DefaultTaskQueue)
	return c, Join(d.faults)
}

// config reads the sections.
func (d *document) config(root *yaml.Node, c *Config, src Source) {
	havePlatforms := len(src.Given.Platforms) > 0
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
		case "encryption":
			c.Encryption = d.encryption(p)
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
		d.fault(nil, "platforms", "is missing: name at least one platform, such as main: %s", src.Types.example())
	}
	if len(c.Agents) == 0 {
		d.fault(nil, "agents", "is missing: name at least one agent, such as support: {platform: main, project: …, agent: …}")
	}
}

var sections = []string{"agents", "callbacks", "encryption", "executors", "platforms", "task_queue", "tools"}
