package conversation

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// DirectPlatform is what the refs of direct conversations say for their platform: they
// have none, and no platform's instance has this name.
const DirectPlatform = "direct"

// A Ref names one conversation.
type Ref struct {
	// Platform is the name of the platform instance in the configuration, such
	// as "onerun". It is not the kind of platform: two OneRun deployments have
	// two names.
	Platform string `json:"platform"`
	// Project is the platform's project id. Empty where a platform has none.
	Project string `json:"project,omitempty"`
	// Simulation is the simulation (or scheduled task) the conversation belongs
	// to. Empty where a platform has none.
	Simulation string `json:"simulation,omitempty"`
	// Agent is the platform's id of the agent that speaks as the assistant.
	Agent string `json:"agent,omitempty"`
	// ID is the platform's id of the conversation.
	ID string `json:"id"`
}

// String is "<platform>/<project>/<conversation>", as operators write it.
func (r Ref) String() string {
	return strings.Join([]string{r.Platform, r.Project, r.ID}, "/")
}

// MaxKeyword is how many characters a search attribute of type Keyword may have in a
// Temporal server with a SQL database: with a longer one it would never list the conversation.
const MaxKeyword = 255

// Validate reports every missing field, each that is too long for a search attribute, and
// each field of the workflow id with a separator or a character that Temporal's client
// cannot send in a header.
func (r Ref) Validate() error {
	var errs []error
	if r.Platform == "" {
		errs = append(errs, errors.New("conversation ref: platform is empty"))
	}
	if r.ID == "" {
		errs = append(errs, errors.New("conversation ref: id is empty"))
	}
	if strings.Contains(r.Platform, "/") {
		errs = append(errs, errors.New("conversation ref: platform must not contain \"/\""))
	}
	if strings.Contains(r.Project, "/") {
		errs = append(errs, errors.New("conversation ref: project must not contain \"/\""))
	}
	for _, field := range []struct{ name, value string }{
		{"platform", r.Platform}, {"project", r.Project}, {"simulation", r.Simulation}, {"agent", r.Agent},
	} {
		if utf8.RuneCountInString(field.value) > MaxKeyword {
			errs = append(errs, fmt.Errorf("conversation ref: %s has more than the %d characters that Temporal's search attributes can have", field.name, MaxKeyword))
		}
	}
	if id := r.String(); !ValidInWorkflowID(id) {
		errs = append(errs, fmt.Errorf("conversation ref: %q has characters that are not printable ASCII, which Temporal's client cannot send", id))
	}
	return errors.Join(errs...)
}

// ValidInWorkflowID reports whether id can be part of a workflow id, which Temporal's
// client also sends in a header: printable ASCII.
func ValidInWorkflowID(id string) bool {
	return !strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r > '~' })
}
