package schedules

import (
	"regexp"
	"strings"
)

// maxName bounds a name: the workflow id consists of agent, name and time.
const maxName = 100

var nameChars = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// CheckName reports a fault in the name of a new schedule. It is Temporal's schedule id,
// and a part of workflow ids.
func CheckName(name string) error {
	switch {
	case name == "":
		return malformed("a schedule needs a name")
	case len(name) > maxName:
		return malformed("the name of a schedule has at most %d characters, %q has %d", maxName, name, len(name))
	case !nameChars.MatchString(name):
		return malformed("schedule name %q: use letters, digits, \".\", \"_\" and \"-\", a letter or a digit first", name)
	}
	return nil
}

// checkAgent: the agent is a part of the workflow id, between slashes.
func checkAgent(name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return malformed("a schedule needs an agent")
	case strings.Contains(name, "/"):
		return malformed("agent name %q must not contain \"/\"", name)
	case len(name) > maxName:
		return malformed("the name of an agent has at most %d bytes, %q has %d", maxName, name, len(name))
	}
	return nil
}
