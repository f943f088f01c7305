package scripted

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
)

// A template is a reply's text with slots: {{turn}}, and {{name}} for the match of
// the group (?P<name>…) of the rule's expression.
type template string

var slot = regexp.MustCompile(`\{\{\s*([^{}]*?)\s*\}\}`)

func (t template) render(turn int, caught map[string]string) string {
	return slot.ReplaceAllStringFunc(string(t), func(s string) string {
		name := slot.FindStringSubmatch(s)[1]
		if name == "turn" {
			return strconv.Itoa(turn)
		}
		return caught[name]
	})
}

// check returns an error for the first unknown slot.
func (t template) check(groups []string) error {
	for _, m := range slot.FindAllStringSubmatch(string(t), -1) {
		if name := m[1]; name != "turn" && (name == "" || !slices.Contains(groups, name)) {
			return fmt.Errorf("nothing fills {{%s}}: there are {{turn}} and the groups (?P<name>…) of the rule's matches", name)
		}
	}
	return nil
}
