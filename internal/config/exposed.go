package config

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/parley-run/parley/internal/httpclient"
)

// Exposed are the settings by which keys go to another machine without encryption: an
// address with http:// or ws:// beside a key, headers or a query. Each is a sentence with
// its place, and without the key.
func (c *Config) Exposed() []error {
	var all []Settings
	for _, p := range c.Platforms {
		all = append(all, p.Settings)
	}
	for _, e := range c.Executors {
		all = append(all, e.Settings)
	}
	for _, t := range c.Tools {
		all = append(all, t.Settings)
	}
	var found []error
	for _, s := range all {
		if s.where.doc != nil {
			found = append(found, s.where.doc.again().exposed(s.where.at, s.where.node)...)
		}
	}
	return found
}

func (d *document) exposed(at string, mapping *yaml.Node) (found []error) {
	if mapping = deref(mapping); mapping == nil || mapping.Kind != yaml.MappingNode {
		return nil
	}
	key := sentKey(mapping, true)
	for _, p := range d.pairs(at, mapping) {
		value := deref(p.value)
		if value.Kind == yaml.MappingNode {
			found = append(found, d.exposed(join(at, p.name), value)...)
			continue
		}
		if host := httpclient.Unencrypted(value.Value); key != "" && value.Kind == yaml.ScalarNode && isAddress(p.name) && host != "" {
			found = append(found, d.at(value, Fault{
				Key:    join(at, p.name),
				Text:   fmt.Sprintf("sends %s to %s without encryption: everyone on the way can read it", key, host),
				Remedy: "use https:// or wss://, or a proxy with TLS on this machine",
			}))
		}
	}
	return found
}

// sentKey names a setting of the mapping that is sent with requests and may be a key. Empty:
// there is none.
func sentKey(mapping *yaml.Node, top bool) string {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		name, value := mapping.Content[i].Value, deref(mapping.Content[i+1])
		switch {
		case name == "hmac" || name == "env": // it signs, or stays on this machine
		case value.Kind == yaml.ScalarNode && value.Value != "" && !isNull(value) && (!top || isSecret(name) || name == "bearer_token"):
			return name
		case value.Kind == yaml.MappingNode && top && (name == "headers" || name == "query"):
			if of := sentKey(value, false); of != "" {
				return name + "." + of
			}
		}
	}
	return ""
}

func isAddress(name string) bool {
	for _, word := range []string{"url", "endpoint", "address", "server"} {
		if name == word || strings.HasSuffix(name, "_"+word) {
			return true
		}
	}
	return false
}
