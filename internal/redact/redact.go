// Package redact replaces what identifies people in texts, by rules: e-mail addresses, card
// numbers, telephone numbers, and regular expressions of the operator. Rules find what they
// describe, and no more: names and addresses of streets need a rule of their own. A match that
// spans two texts is not found.
package redact

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// A Rule finds texts to replace by its name in brackets: "[email]".
type Rule struct {
	Name string
	// find returns the places of matches, in order, as regexp's FindAllStringIndex does.
	find func(string) [][]int
	// digits marks rules that take a long number for something else: ids are spared.
	digits bool
}

// BuiltinNames are the rules that [Builtin] knows. "phone:DE" finds also numbers in the
// national form of a country.
func BuiltinNames() []string { return []string{"email", "card", "phone", "phone:COUNTRY"} }

var (
	email     = regexp.MustCompile(`[\p{L}\p{N}._%+'\-]+@(?:[\p{L}\p{N}\-]+\.)+\p{L}{2,}`)
	numberRun = regexp.MustCompile(`\d(?:[ \-.\x{a0}]?\d){12,}`)
	plusPhone = regexp.MustCompile(`\+\d(?:[ \-./()\x{a0}]{0,3}\d){6,16}`)
	anyPhone  = regexp.MustCompile(`[+(]?\d(?:[ \-./()\x{a0}]{0,3}\d){5,18}`)
	digits    = regexp.MustCompile(`\d+`)
)

// Builtin returns a rule by its name.
func Builtin(name string) (Rule, error) {
	kind, region, _ := strings.Cut(name, ":")
	region = strings.ToUpper(region)
	switch {
	case name == "email":
		return Rule{Name: "email", find: all(email)}, nil
	case name == "card":
		return Rule{Name: "card", find: cards, digits: true}, nil
	case name == "phone":
		return Rule{Name: "phone", find: phones(plusPhone, "ZZ"), digits: true}, nil
	case kind == "phone" && phonenumbers.GetSupportedRegions()[region]:
		return Rule{Name: "phone", find: phones(anyPhone, region), digits: true}, nil
	case kind == "phone":
		return Rule{}, fmt.Errorf("unknown country %q in %q: use two letters, such as phone:DE", region, name)
	}
	return Rule{}, fmt.Errorf("unknown rule %q: use %s, or a pattern of your own", name, strings.Join(BuiltinNames(), ", "))
}

// ruleName is what a name may be: it stands in brackets in texts.
var ruleName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,40}$`)

// Pattern makes a rule of a regular expression in Go's syntax (RE2).
func Pattern(name, pattern string) (Rule, error) {
	if !ruleName.MatchString(name) {
		return Rule{}, fmt.Errorf("the name of a rule, %q, must have letters, digits, - and _ only", name)
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return Rule{}, fmt.Errorf("rule %s: %w", name, err)
	}
	if re.MatchString("") {
		return Rule{}, fmt.Errorf("rule %s: the pattern %q matches the empty text", name, pattern)
	}
	return Rule{Name: name, find: all(re)}, nil
}

// Patterns reads rules from a text: one a line, NAME=PATTERN. Empty lines and those that begin
// with # are left out.
func Patterns(text string) ([]Rule, error) {
	var rules []Rule
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimRight(line, "\r")
		if trimmed := strings.TrimSpace(line); trimmed == "" || strings.HasPrefix(trimmed, "#") {
			continue
		}
		name, pattern, ok := strings.Cut(line, "=")
		if !ok {
			return nil, fmt.Errorf("line %d: write NAME=PATTERN", i+1)
		}
		rule, err := Pattern(strings.TrimSpace(name), strings.TrimSpace(pattern))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

func all(re *regexp.Regexp) func(string) [][]int {
	return func(s string) [][]int { return re.FindAllStringIndex(s, -1) }
}

// cards finds numbers of 13 to 19 digits with a right check digit, in groups or not.
func cards(s string) [][]int {
	return groups(s, numberRun, func(text string) bool {
		var only []byte
		for i := range len(text) {
			if c := text[i]; c >= '0' && c <= '9' {
				only = append(only, c-'0')
			}
		}
		return len(only) >= 13 && len(only) <= 19 && luhn(only)
	})
}

// luhn is the check of ISO/IEC 7812-1.
func luhn(number []byte) bool {
	sum := 0
	for i, d := range number {
		if (len(number)-i)%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += int(d)
	}
	return sum%10 == 0
}

// phones finds numbers that are valid in their country's plan of numbers.
func phones(candidates *regexp.Regexp, region string) func(string) [][]int {
	return func(s string) [][]int {
		return groups(s, candidates, func(text string) bool {
			n, err := phonenumbers.Parse(text, region)
			return err == nil && phonenumbers.IsValidNumber(n)
		})
	}
}

// maxGroups bounds the groups of digits in a candidate that are tried.
const maxGroups = 24

// groups finds in each candidate the longest sequences of whole groups of digits that are
// right: a number may follow another.
func groups(s string, candidates *regexp.Regexp, right func(string) bool) [][]int {
	var out [][]int
	for _, place := range candidates.FindAllStringIndex(s, -1) {
		text := s[place[0]:place[1]]
		parts := digits.FindAllStringIndex(text, maxGroups)
		for from := 0; from < len(parts); from++ {
			for to := len(parts) - 1; to >= from; to-- {
				begin := parts[from][0]
				for begin > 0 && (text[begin-1] == '+' || text[begin-1] == '(') { // is part of it
					begin--
				}
				if right(text[begin:parts[to][1]]) {
					out = append(out, []int{place[0] + begin, place[0] + parts[to][1]})
					from = to
					break
				}
			}
		}
	}
	return out
}

// A Redactor applies rules in their order, and counts what it replaces. It is not safe for
// concurrent use. Nil changes nothing.
type Redactor struct {
	rules  []Rule
	counts map[string]int
}

// New makes a redactor. Without rules it is nil.
func New(rules []Rule) *Redactor {
	if len(rules) == 0 {
		return nil
	}
	return &Redactor{rules: rules, counts: map[string]int{}}
}

// Text is a text without what the rules find.
func (r *Redactor) Text(s string) string { return r.apply(s, false) }

// ID is an id without what the rules find that do not look for numbers.
func (r *Redactor) ID(s string) string { return r.apply(s, true) }

func (r *Redactor) apply(s string, id bool) string {
	if r == nil || s == "" {
		return s
	}
	for _, rule := range r.rules {
		if id && rule.digits {
			continue
		}
		places := rule.find(s)
		if len(places) == 0 {
			continue
		}
		var b strings.Builder
		end := 0
		for _, p := range places {
			b.WriteString(s[end:p[0]])
			b.WriteString("[" + rule.Name + "]")
			end = p[1]
		}
		b.WriteString(s[end:])
		r.counts[rule.Name] += len(places)
		s = b.String()
	}
	return s
}

// JSON is a document whose strings, keys and numbers are without what the rules find. A
// number of which something is found becomes a string. What is no JSON is redacted as a text.
func (r *Redactor) JSON(data json.RawMessage) json.RawMessage {
	if r == nil || len(data) == 0 {
		return data
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var v any
	if decoder.Decode(&v) != nil || decoder.More() {
		return json.RawMessage(r.Text(string(data)))
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(r.value(v)) != nil {
		return json.RawMessage(r.Text(string(data)))
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

func (r *Redactor) value(v any) any {
	switch v := v.(type) {
	case string:
		return r.Text(v)
	case json.Number:
		if text := r.Text(v.String()); text != v.String() {
			return text
		}
	case []any:
		for i := range v {
			v[i] = r.value(v[i])
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			value := r.value(v[key])
			delete(v, key)
			v[r.Text(key)] = value
		}
	}
	return v
}

// Counts are how much each rule has replaced, in words: "email 3, card 1".
func (r *Redactor) Counts() string {
	if r == nil {
		return ""
	}
	var parts []string
	seen := map[string]bool{}
	for _, rule := range r.rules {
		if !seen[rule.Name] {
			parts = append(parts, fmt.Sprintf("%s %d", rule.Name, r.counts[rule.Name]))
		}
		seen[rule.Name] = true
	}
	return strings.Join(parts, ", ")
}
