package tools

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/settings"
)

// A RetryRule says whether a call may be made again after its answer was lost.
type RetryRule string

const (
	// RetryNever makes no call a second time.
	RetryNever RetryRule = "never"
	// RetrySafe makes a call again if the tool is declared repeatable. It is the default.
	RetrySafe RetryRule = "safe"
	// RetryAlways makes any call again: the tool keeps the results of its calls by
	// their keys, or has no effects.
	RetryAlways RetryRule = "always"
)

// Retry has the rules of single tools by their names; "*" is that of all others. In YAML
// it is a mapping, or one rule for all tools.
type Retry map[string]RetryRule

// UnmarshalYAML implements yaml.Unmarshaler.
func (r *Retry) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode && node.Tag != "!!null" {
		*r = Retry{all: RetryRule(node.Value)}
		return nil
	}
	rules := map[string]string{}
	if node.Decode(&rules) != nil {
		return errors.New("write never, safe or always, or a mapping of tools to these")
	}
	*r = make(Retry, len(rules))
	for name, rule := range rules {
		(*r)[name] = RetryRule(rule)
	}
	return nil
}

// of returns the rule of a tool.
func (r Retry) of(name string) RetryRule {
	for _, key := range []string{name, all} {
		if rule, ok := r[key]; ok {
			return rule
		}
	}
	return RetrySafe
}

// repeats reports whether a call of the tool may be made again.
func (r Retry) repeats(tool conversation.Tool) bool {
	switch r.of(tool.Name) {
	case RetryAlways:
		return true
	case RetryNever:
		return false
	}
	return tool.Repeatable
}

// names are the tools that have a rule, sorted.
func (r Retry) names() []string { return slices.Sorted(maps.Keys(r)) }

func (r Retry) validate(f *settings.Faults, rules Rules) {
	for _, name := range r.names() {
		field := "retry." + name
		if name == all {
			field = "retry"
		}
		switch rule := r[name]; {
		case name == "":
			f.Add("retry", "write the names of tools", "has an empty name")
		case rule != RetryNever && rule != RetrySafe && rule != RetryAlways:
			f.Add(field, fmt.Sprintf("write %s, %s or %s", RetryNever, RetrySafe, RetryAlways), "is %q", string(rule))
		case name != all && !rules.Allows(name):
			f.Add(field, "", "is of a tool that is not among those that allow names, so it is never called")
		}
	}
}
