package scripted

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/yamlbound"
)

// parse reads a script. It returns all faults in the order of their lines.
func parse(data []byte) (script, []fault) {
	if len(data) > maxScript {
		return script{}, []fault{{text: fmt.Sprintf("it has %d bytes; at most %d are allowed", len(data), maxScript)}}
	}
	if !utf8.Valid(data) {
		return script{}, []fault{{text: "it is not valid UTF-8"}}
	}
	root, err := document(data)
	if err != nil {
		return script{}, []fault{{text: err.Error()}}
	}
	p := &parser{}
	s := p.script(root)
	slices.SortStableFunc(p.faults, func(a, b fault) int { return cmp.Compare(a.line, b.line) })
	return s, p.faults
}

// document reads a single YAML or JSON document.
func document(data []byte) (*yaml.Node, error) {
	if trimmed := bytes.TrimSpace(data); bytes.HasPrefix(trimmed, []byte("{")) {
		data = yamlFromJSON(data)
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, errors.New("it is empty")
	case err != nil:
		// The package has no error types for syntax: its text has the line.
		return nil, fmt.Errorf("%s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("line %d: a script is one document, and another begins here", max(more.Line, 1))
	}
	if err := yamlbound.Check(&doc); err != nil {
		return nil, fmt.Errorf("a value %w", err)
	}
	return doc.Content[0], nil
}

var jsonEscape = regexp.MustCompile(`\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|.)`)

// yamlFromJSON rewrites JSON that is not valid YAML without changing the lines:
// tabs between tokens, escaped slashes, and surrogate pairs.
func yamlFromJSON(data []byte) []byte {
	data = bytes.ReplaceAll(data, []byte("\t"), []byte(" "))
	return jsonEscape.ReplaceAllFunc(data, func(esc []byte) []byte {
		switch {
		case string(esc) == `\/`:
			return []byte("/")
		case len(esc) < len(`\ud83d\ude00`):
			return esc
		}
		s, err := strconv.Unquote(`"\U` + fmt.Sprintf("%08x", surrogates(esc)) + `"`)
		if err != nil {
			return esc
		}
		return []byte(s)
	})
}

func surrogates(esc []byte) uint64 {
	hi, _ := strconv.ParseUint(string(esc[2:6]), 16, 32)
	lo, _ := strconv.ParseUint(string(esc[8:12]), 16, 32)
	return (hi-0xd800)<<10 + (lo - 0xdc00) + 0x10000
}

// A parser turns nodes into values and collects faults.
type parser struct {
	faults []fault
}

// A fault is what is wrong in a line, 0 for the script as a whole.
type fault struct {
	line int
	text string
}

func (f fault) String() string {
	if f.line == 0 {
		return f.text
	}
	return fmt.Sprintf("line %d: %s", f.line, f.text)
}

func (p *parser) fault(n *yaml.Node, format string, args ...any) {
	p.faults = append(p.faults, fault{line: n.Line, text: fmt.Sprintf(format, args...)})
}

func (p *parser) script(n *yaml.Node) script {
	s := script{name: "script"}
	var end *yaml.Node
	p.mapping(n, "the script", fields{
		"name":     func(n *yaml.Node) { s.name = p.text(n, "name") },
		"latency":  func(n *yaml.Node) { s.latency = p.duration(n, "latency") },
		"greeting": func(n *yaml.Node) { s.greeting = p.replies(n, "greeting", nil) },
		"rules": func(n *yaml.Node) {
			for _, item := range p.list(n, "rules") {
				s.rules = append(s.rules, p.rule(item))
			}
		},
		"fallback": func(n *yaml.Node) { s.fallback = p.replies(n, "fallback", nil) },
		"end":      func(n *yaml.Node) { end = n },
		"failures": func(n *yaml.Node) {
			for _, item := range p.list(n, "failures") {
				s.failures = append(s.failures, p.failure(item))
			}
		},
	}, "fallback")
	if end != nil {
		p.end(end, &s)
	}
	return s
}

func (p *parser) rule(n *yaml.Node) rule {
	var (
		r       rule
		replies *yaml.Node
	)
	p.mapping(n, "a rule", fields{
		"name":    func(n *yaml.Node) { p.text(n, "name") }, // for readers of the script
		"when":    func(n *yaml.Node) { r.when = p.condition(n) },
		"replies": func(n *yaml.Node) { replies = n },
		"end":     func(n *yaml.Node) { r.end = p.boolean(n, "end") },
	}, "when", "replies")
	if replies != nil {
		r.replies = p.replies(replies, "replies", r.when.groups())
	}
	return r
}

func (p *parser) condition(n *yaml.Node) condition {
	var c condition
	p.mapping(n, "when", fields{
		"contains": func(n *yaml.Node) {
			for _, item := range p.texts(n, "contains") {
				ph := newPhrase(item.Value)
				if ph.text == "" {
					p.fault(item, "contains: %q would match everything", item.Value)
				}
				c.contains = append(c.contains, ph)
			}
		},
		"matches": func(n *yaml.Node) {
			re, err := regexp.Compile(p.text(n, "matches"))
			if err != nil {
				p.fault(n, "matches: %v", err)
				return
			}
			c.matches = re
		},
		"turn": func(n *yaml.Node) { c.turn = p.positive(n, "turn") },
	})
	if n.Kind == yaml.MappingNode && len(n.Content) == 0 {
		p.fault(n, "when: give at least one of contains, matches, turn")
	}
	return c
}

func (c condition) groups() []string {
	if c.matches == nil {
		return nil
	}
	return c.matches.SubexpNames()
}

func (p *parser) end(n *yaml.Node, s *script) {
	var farewell *yaml.Node
	p.mapping(n, "end", fields{
		"after_turns": func(n *yaml.Node) { s.endAfter = p.positive(n, "after_turns") },
		"when":        func(n *yaml.Node) { s.endWhen = p.condition(n) },
		"farewell":    func(n *yaml.Node) { farewell = n },
	}, "farewell")
	if farewell != nil {
		// With after_turns the farewell may come without a match, which would leave
		// its slots empty.
		var groups []string
		if s.endAfter == 0 {
			groups = s.endWhen.groups()
		}
		s.farewell = p.replies(farewell, "farewell", groups)
	}
	if s.endAfter == 0 && s.endWhen.empty() {
		p.fault(n, "end: give after_turns, when, or both")
	}
}

var kinds = []conversation.Kind{
	conversation.RateLimited, conversation.QuotaExhausted, conversation.Unauthorized, conversation.Unavailable,
	conversation.ContextTooLong, conversation.Refused, conversation.Invalid,
}

func (p *parser) failure(n *yaml.Node) failure {
	f := failure{times: 1, message: "failed on purpose"}
	p.mapping(n, "a failure", fields{
		"turn":        func(n *yaml.Node) { f.turn = p.positive(n, "turn") },
		"times":       func(n *yaml.Node) { f.times = p.positive(n, "times") },
		"kind":        func(n *yaml.Node) { f.kind = p.kind(n) },
		"retry_after": func(n *yaml.Node) { f.retryAfter = p.duration(n, "retry_after") },
		"message":     func(n *yaml.Node) { f.message = p.text(n, "message") },
		"hang":        func(n *yaml.Node) { f.hang = p.boolean(n, "hang") },
	}, "turn")
	if n.Kind == yaml.MappingNode && (f.kind == "") != f.hang {
		p.fault(n, "a failure: give either a kind or hang: true")
	}
	return f
}

func (p *parser) kind(n *yaml.Node) conversation.Kind {
	got := p.text(n, "kind")
	bare := strings.NewReplacer("_", "", "-", "", " ", "")
	for _, k := range kinds {
		if strings.EqualFold(bare.Replace(got), string(k)) {
			return k
		}
	}
	p.fault(n, "kind: %q is none of %v", got, kinds)
	return kinds[0] // one fault is enough
}

// replies reads one text or a list of at least one.
func (p *parser) replies(n *yaml.Node, key string, groups []string) []template {
	var out []template
	items := p.texts(n, key)
	if len(items) == 0 && n.Kind == yaml.SequenceNode {
		p.fault(n, "%s: give at least one text", key)
	}
	for _, item := range items {
		t := template(strings.TrimSpace(item.Value))
		if t == "" {
			p.fault(item, "%s: the text is empty", key)
			continue
		}
		if err := t.check(groups); err != nil {
			p.fault(item, "%s: %v", key, err)
			continue
		}
		out = append(out, t)
	}
	return out
}

// fields maps the keys of a mapping to the readers of their values.
type fields map[string]func(*yaml.Node)

// mapping reads a mapping. It calls the readers in the order of the values.
func (p *parser) mapping(n *yaml.Node, what string, known fields, required ...string) {
	n = resolve(n)
	if n.Kind != yaml.MappingNode {
		p.fault(n, "%s must be a mapping of keys to values", what)
		return
	}
	seen := make(map[string]bool)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], resolve(n.Content[i+1])
		read, ok := known[key.Value]
		switch {
		case !ok:
			names := make([]string, 0, len(known))
			for name := range known {
				names = append(names, name)
			}
			slices.Sort(names)
			p.fault(key, "%s has no key %q; there are %s", what, key.Value, strings.Join(names, ", "))
		case seen[key.Value]:
			p.fault(key, "%s has the key %q twice", what, key.Value)
		default:
			seen[key.Value] = true
			read(value)
		}
	}
	for _, key := range required {
		if !seen[key] {
			p.fault(n, "%s needs the key %q", what, key)
		}
	}
}

func (p *parser) list(n *yaml.Node, key string) []*yaml.Node {
	if n.Kind != yaml.SequenceNode {
		p.fault(n, "%s must be a list", key)
		return nil
	}
	out := make([]*yaml.Node, 0, len(n.Content))
	for _, item := range n.Content {
		out = append(out, resolve(item))
	}
	return out
}

// texts reads one text or a list of them.
func (p *parser) texts(n *yaml.Node, key string) []*yaml.Node {
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		items = p.list(n, key)
	}
	var out []*yaml.Node
	for _, item := range items {
		if item.Kind != yaml.ScalarNode || item.Tag == "!!null" {
			p.fault(item, "%s must be a text or a list of texts", key)
			continue
		}
		out = append(out, item)
	}
	return out
}

func (p *parser) text(n *yaml.Node, key string) string {
	if n.Kind != yaml.ScalarNode || strings.TrimSpace(n.Value) == "" {
		p.fault(n, "%s must be a text that is not empty", key)
		return ""
	}
	return n.Value
}

func (p *parser) positive(n *yaml.Node, key string) int {
	i, err := strconv.Atoi(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || i < 1 {
		p.fault(n, "%s must be a whole number from 1", key)
		return 1
	}
	return i
}

func (p *parser) duration(n *yaml.Node, key string) time.Duration {
	d, err := time.ParseDuration(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || d < 0 {
		p.fault(n, "%s must be a time such as 200ms or 2s", key)
		return 0
	}
	return d
}

func (p *parser) boolean(n *yaml.Node, key string) bool {
	var b bool
	if n.Kind != yaml.ScalarNode || n.Decode(&b) != nil {
		p.fault(n, "%s must be true or false", key)
	}
	return b
}

// resolve follows an alias.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}
