package config

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/parley-run/parley/internal/joined"
	"github.com/parley-run/parley/internal/yamlbound"
)

// A document is a parsed file with what is wrong with it so far.
type document struct {
	file   string // as people know it; empty: made from the environment
	faults Faults
	// origin is the variable that a node's whole value came from.
	origin map[*yaml.Node]string
	// broken has the keys that were at fault.
	broken map[string]bool
	// renew has the values that come from files. Nil: there are none.
	renew *renewer
}

func newDocument(file string) *document {
	return &document{file: file, origin: make(map[*yaml.Node]string), broken: make(map[string]bool)}
}

// again is the same document for another look, with no faults of its own.
func (d *document) again() *document {
	return &document{file: d.file, origin: d.origin, broken: d.broken, renew: d.renew}
}

// fault notes that something is wrong with the node at the key.
func (d *document) fault(node *yaml.Node, key, format string, args ...any) {
	d.faults = append(d.faults, d.at(node, Fault{Key: key, Text: fmt.Sprintf(format, args...)}))
	d.broken[key] = true
}

// unreadable notes that a value cannot be decoded, for the reason given.
func (d *document) unreadable(node *yaml.Node, key string, err error) {
	d.faults = append(d.faults, d.at(node, Fault{Key: key, Text: err.Error(), Sentence: true}))
	d.broken[key] = true
}

// isBroken reports whether the key, or what it stands in, was at fault.
func (d *document) isBroken(key string) bool {
	for broken := range d.broken {
		if _, ok := below(key, broken); ok && broken != "" {
			return true
		}
	}
	return false
}

// add notes faults that have been made already.
func (d *document) add(err error) {
	for _, f := range joined.As(err, func(error) *Fault { return nil }) {
		if f != nil {
			d.faults = append(d.faults, f)
			d.broken[f.Key] = true
		}
	}
}

// at is a fault of the node. Where there is no file, the variable is its key.
func (d *document) at(node *yaml.Node, f Fault) *Fault {
	f.File = d.file
	if d.file == "" {
		if name := d.origin[node]; name != "" {
			f.Key = name
		}
	} else if node != nil {
		f.Line = node.Line
	}
	return &f
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// parse reads YAML. The result is nil if there is no mapping in it.
func (d *document) parse(data []byte) *yaml.Node {
	dec := yaml.NewDecoder(strings.NewReader(string(data)))
	var doc, second yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		d.fault(nil, "", "is empty: name platforms and agents in it")
		return nil
	} else if err != nil {
		d.syntax(err)
		return nil
	}
	if err := dec.Decode(&second); err == nil {
		d.fault(&second, "", "a second document begins here: one file holds one configuration, take out the line ---")
	} else if !errors.Is(err, io.EOF) {
		d.syntax(err)
	}
	if err := yamlbound.Check(&doc); err != nil {
		var at *yamlbound.Error
		errors.As(err, &at)
		d.fault(at.Node, "", "a value here %v: write it out", err)
		return nil
	}
	root := deref(doc.Content[0])
	if isNull(root) {
		d.fault(nil, "", "is empty: name platforms and agents in it")
		return nil
	}
	if root.Kind != yaml.MappingNode {
		d.fault(root, "", "must be a mapping with the keys task_queue, platforms, executors and agents")
		return nil
	}
	return root
}

func (d *document) syntax(err error) {
	f := &Fault{File: d.file, Text: err.Error()}
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		f.Line, _ = strconv.Atoi(m[1])
		f.Text = "not valid YAML: " + m[2]
	}
	d.faults = append(d.faults, f)
}

// A pair is one entry of a mapping.
type pair struct {
	name       string
	key, value *yaml.Node
}

// pairs lists a mapping's entries, merged ones (<<) included. A key that stands
// there twice is reported.
func (d *document) pairs(at string, node *yaml.Node) []pair {
	return d.collect(at, node, nil)
}

func (d *document) collect(at string, node *yaml.Node, inside []*yaml.Node) []pair {
	node = deref(node)
	if node.Kind != yaml.MappingNode || slices.Contains(inside, node) {
		return nil
	}
	inside = append(inside, node)
	var own, merged []pair
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], deref(node.Content[i+1])
		if key.ShortTag() == "!!merge" {
			sources := []*yaml.Node{value}
			if value.Kind == yaml.SequenceNode {
				sources = value.Content
			}
			for _, source := range sources {
				merged = append(merged, d.collect(at, source, inside)...)
			}
			continue
		}
		if has(own, key.Value) {
			if len(inside) == 1 {
				d.fault(key, join(at, key.Value), "stands there twice: keep one")
			}
			continue
		}
		own = append(own, pair{name: key.Value, key: key, value: value})
	}
	for _, p := range merged {
		if !has(own, p.name) {
			own = append(own, p)
		}
	}
	return own
}

func has(pairs []pair, name string) bool {
	return slices.ContainsFunc(pairs, func(p pair) bool { return p.name == name })
}

// find returns the value of a key, or nil.
func find(pairs []pair, name string) *yaml.Node {
	for _, p := range pairs {
		if p.name == name {
			return p.value
		}
	}
	return nil
}

// deref follows aliases.
func deref(node *yaml.Node) *yaml.Node {
	for node != nil && node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	return node
}

func isNull(node *yaml.Node) bool {
	return node == nil || node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null"
}

// shape describes a node in errors.
func shape(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	default:
		return strconv.Quote(node.Value)
	}
}

func join(at, name string) string {
	if at == "" {
		return name
	}
	return at + "." + name
}
