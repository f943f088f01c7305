package conversation

import (
	"errors"
	"fmt"
	"strings"
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

// Validate reports every missing field, and each field of the workflow id with a
// separator or a character that Temporal's client cannot send in a header.
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
