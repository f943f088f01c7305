package config

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// A fileValue is a value that files have a part in, as it is written.
type fileValue struct {
	raw    string
	at     string
	secret bool
	style  yaml.Style
	files  []string
}

// A renewer reads values again that come from files.
type renewer struct {
	expand expander
	values map[*yaml.Node]fileValue
}

// fromFiles notes that files have a part in a node's value.
func (d *document) fromFiles(node *yaml.Node, value fileValue, x *expander) {
	if d.renew == nil {
		d.renew = &renewer{expand: *x, values: make(map[*yaml.Node]fileValue)}
		d.renew.expand.document, d.renew.expand.files = nil, nil
	}
	d.renew.values[node] = value
}

// Files are the files that have values of the settings, by ${file:…} or a variable that
// ends in _FILE.
func (s Settings) Files() []string {
	if s.where.doc == nil || s.where.doc.renew == nil {
		return nil
	}
	var files []string
	visit(s.where.node, func(n *yaml.Node) { files = append(files, s.where.doc.renew.values[n].files...) })
	slices.Sort(files)
	return slices.Compact(files)
}

// Renewed is the same settings with what the files say now. Its error is [Faults]: a
// file cannot be read, or is empty.
func (s Settings) Renewed(read func(path string) ([]byte, error)) (Settings, error) {
	if s.where.doc == nil || s.where.doc.renew == nil {
		return s, nil
	}
	from := s.where.doc.renew
	d := newDocument(s.where.doc.file)
	x := from.expand
	x.document, x.readFile = d, read
	out := s
	out.where.doc = d
	out.where.node = copied(s.where.node, func(old, made *yaml.Node) {
		value, ok := from.values[old]
		if !ok {
			return
		}
		made.Value, made.Style = value.raw, value.style
		x.scalar(value.at, made, value.secret)
	})
	return out, Join(d.faults)
}

// visit calls f for every node.
func visit(n *yaml.Node, f func(*yaml.Node)) {
	if n = deref(n); n == nil {
		return
	}
	f(n)
	for _, child := range n.Content {
		visit(child, f)
	}
}

// copied is a copy of a node and all below it. An anchor's value is copied wherever it is
// used.
func copied(n *yaml.Node, change func(old, made *yaml.Node)) *yaml.Node {
	if n = deref(n); n == nil {
		return nil
	}
	made := *n
	made.Content = make([]*yaml.Node, len(n.Content))
	for i, child := range n.Content {
		made.Content[i] = copied(child, change)
	}
	change(n, &made)
	return &made
}
