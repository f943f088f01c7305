package sim

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

var keyPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*$`)

// A checker collects faults, with line numbers if there is a document.
type checker struct {
	root *yaml.Node
	errs []error
}

// Validate reports all faults of a scenario. Those from [ParseScenario] and
// [LoadScenario] have none.
func (s *Scenario) Validate() error { return errors.Join(s.check(nil)...) }

func (s *Scenario) check(root *yaml.Node) []error {
	c := &checker{root: root}
	if len(s.Personas) == 0 {
		c.addf([]any{"personas"}, "there must be at least one persona")
	}
	for i, o := range s.Objectives {
		at := []any{"objectives", i}
		c.require(at, "name", o.Name)
		c.require(at, "criteria", o.Criteria)
		switch o.Measure {
		case "", MeasureContentment, MeasureBrevity:
		case MeasureRestraint:
			if len(o.Forbid) == 0 {
				c.addf(at, "measure restraint needs something to forbid")
			}
		default:
			c.addf(append(at, "measure"), "unknown measure %q: want contentment, brevity or restraint", o.Measure)
		}
	}
	seen := map[string]int{}
	for i, p := range s.Personas {
		at := []any{"personas", i}
		if first, ok := seen[p.Key]; ok && p.Key != "" {
			c.addf(append(at, "key"), "key %q is taken by personas[%d]", p.Key, first)
		} else {
			seen[p.Key] = i
		}
		c.persona(at, p)
	}
	return c.errs
}

func (c *checker) persona(at []any, p Persona) {
	if !keyPattern.MatchString(p.Key) {
		c.addf(path(at, "key"), "key %q: want letters, digits and dashes", p.Key)
	}
	c.require(at, "summary", p.Summary)
	c.require(at, "purpose", p.Purpose)
	c.lines(path(at, "openings"), p.Openings, true)
	c.lines(path(at, "fallback", "say"), p.Fallback.Say, true)
	c.lines(path(at, "repeat", "say"), p.Repeat.Say, false)
	c.lines(path(at, "silence", "say"), p.Silence.Say, false)
	c.lines(path(at, "content", "say"), p.Content.Say, false)
	c.lines(path(at, "give_up", "say"), p.GiveUp.Say, false)
	if p.Content.At < 0 {
		c.addf(path(at, "content", "at"), "a persona is content at a mood above 0, not %d", p.Content.At)
	}
	if p.Content.After != 0 {
		c.addf(path(at, "content", "after"), "only give_up has a number of messages")
	}
	if p.GiveUp.At > 0 {
		c.addf(path(at, "give_up", "at"), "a persona gives up at a mood below 0, not %d", p.GiveUp.At)
	}
	if p.GiveUp.After < 0 {
		c.addf(path(at, "give_up", "after"), "must not be negative")
	}
	for i, r := range p.Rules {
		c.rule(path(at, "rules", i), r)
	}
}

func (c *checker) rule(at []any, r Rule) {
	w := r.When
	if len(w.ContainsAny)+len(w.ContainsAll)+len(w.NotContains)+w.Turn+w.FromTurn+w.WordsOver == 0 &&
		w.Matches == "" && w.Asks == nil && w.MoodAtLeast == nil && w.MoodAtMost == nil {
		c.addf(at, "a rule needs a condition (when); unconditional answers belong in fallback")
	}
	if len(r.Say) == 0 && r.Mood == 0 && !r.End {
		c.addf(at, "a rule must say something, change the mood or end the conversation")
	}
	if w.Matches != "" {
		if _, err := compilePattern(w.Matches); err != nil {
			c.addf(path(at, "when", "matches"), "%v", err)
		}
	}
	if w.Turn < 0 || w.FromTurn < 0 || w.WordsOver < 0 {
		c.addf(path(at, "when"), "turn, from_turn and words_over must not be negative")
	}
	c.lines(path(at, "when", "contains_any"), w.ContainsAny, false)
	c.lines(path(at, "when", "contains_all"), w.ContainsAll, false)
	c.lines(path(at, "when", "not_contains"), w.NotContains, false)
	c.lines(path(at, "say"), r.Say, false)
}

func (c *checker) lines(at []any, lines []string, needed bool) {
	if needed && len(lines) == 0 {
		c.addf(at, "there must be at least one line")
	}
	for i, l := range lines {
		if strings.TrimSpace(l) == "" {
			c.addf(path(at, i), "the line is empty")
		}
	}
}

func (c *checker) require(at []any, field, value string) {
	if strings.TrimSpace(value) == "" {
		c.addf(path(at, field), "%s is missing", field)
	}
}

func (c *checker) addf(at []any, format string, args ...any) {
	var where strings.Builder
	for i, step := range at {
		switch step := step.(type) {
		case int:
			fmt.Fprintf(&where, "[%d]", step)
		default:
			if i > 0 {
				where.WriteByte('.')
			}
			fmt.Fprint(&where, step)
		}
	}
	text := where.String() + ": " + fmt.Sprintf(format, args...)
	if line := lineOf(c.root, at); line > 0 {
		text = fmt.Sprintf("line %d: %s", line, text)
	}
	c.errs = append(c.errs, errors.New(text))
}

// path is a copy: append alone would let siblings overwrite one another.
func path(at []any, steps ...any) []any { return slices.Concat(at, steps) }

// lineOf finds the line of the nearest thing on the path that exists.
func lineOf(n *yaml.Node, at []any) int {
	if n == nil {
		return 0
	}
	if n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
		n = n.Content[0]
	}
	line := max(n.Line, 1)
	for _, step := range at {
		var next *yaml.Node
		switch step := step.(type) {
		case int:
			if n.Kind == yaml.SequenceNode && step < len(n.Content) {
				next = n.Content[step]
				line = next.Line
			}
		case string:
			for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
				if n.Content[i].Value == step {
					next, line = n.Content[i+1], n.Content[i].Line
				}
			}
		}
		if next == nil {
			break
		}
		if next.Kind == yaml.AliasNode {
			next = next.Alias
		}
		n = next
	}
	return line
}
