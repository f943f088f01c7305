package sim

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/parley-run/parley/internal/yamlbound"
)

// A Scenario is a set of personas and their common settings.
type Scenario struct {
	// Name is the name of its simulations.
	Name string `yaml:"name"`
	// Description is the simulations' scenario text.
	Description string `yaml:"description"`
	// Agent describes whom the personas believe to write to.
	Agent AgentProfile `yaml:"agent"`
	// Objectives are the criteria for the agent.
	Objectives []Objective `yaml:"objectives"`
	Personas   []Persona   `yaml:"personas"`
}

// AgentProfile describes the agent under test.
type AgentProfile struct {
	Name        string `yaml:"name"`
	Description string `yaml:"description"`
}

// The ways an objective is measured.
const (
	// MeasureContentment is how close the persona came to being content.
	MeasureContentment = "contentment"
	// MeasureBrevity is full marks up to four messages of the agent, and a tenth
	// less for each one more.
	MeasureBrevity = "brevity"
	// MeasureRestraint is full marks unless the agent said something of Forbid.
	MeasureRestraint = "restraint"
)

// An Objective is a criterion for the agent. The judge is a simple rule and does not
// read Criteria; its reasons say so.
type Objective struct {
	Name     string `yaml:"name"`
	Criteria string `yaml:"criteria"`
	// Measure is one of the Measure constants. Empty: contentment, or restraint
	// if there is something to forbid.
	Measure string `yaml:"measure"`
	// Forbid is what the agent must not say.
	Forbid []string `yaml:"forbid"`
}

// A Persona is a user who writes to the agent. Its messages are decided by its
// mood, which starts at 0, and by its rules:
//
//   - Its first message is one of Openings, whichever side opens.
//   - After that the agent's words are tried on the rules, in order. A rule that
//     matches changes the mood; the first matching one that has something to say
//     answers. Rules that only change the mood do not answer.
//   - If no rule answers, Fallback does; if the agent repeats itself or says
//     nothing, Repeat or Silence does. Fallback's mood counts only if no rule
//     has matched at all.
//   - When the mood has reached Content.At, the persona leaves with one of
//     Content's lines; when it has sunk to GiveUp.At, or after GiveUp.After
//     messages of its own, with one of GiveUp's. No lines: it leaves silently.
type Persona struct {
	// Key names the persona within the scenario: letters, digits and dashes.
	Key string `yaml:"key"`
	// Summary, Story, Purpose and Attributes are the platform's description.
	Summary    string            `yaml:"summary"`
	Story      string            `yaml:"story"`
	Purpose    string            `yaml:"purpose"`
	Attributes map[string]string `yaml:"attributes"`

	Openings []string `yaml:"openings"`
	Rules    []Rule   `yaml:"rules"`
	Fallback Reaction `yaml:"fallback"`
	Repeat   Reaction `yaml:"repeat"`
	Silence  Reaction `yaml:"silence"`
	Content  Leaving  `yaml:"content"`
	GiveUp   Leaving  `yaml:"give_up"`
}

// A Rule is a reaction to a message of the agent.
type Rule struct {
	When When `yaml:"when"`
	// Say is the persona's possible answers; unused lines come first.
	Say []string `yaml:"say"`
	// Mood is added to the persona's.
	Mood int `yaml:"mood"`
	// End makes the persona leave with this answer, or silently if there is none.
	End bool `yaml:"end"`
	// Once makes the rule work a single time.
	Once bool `yaml:"once"`
}

// When is the condition of a [Rule]. All of its fields that are set must hold; at least
// one must be set. Words are compared without regard to case and from the beginning of a
// word: "refund" is found in "Refunded", "no" is not in "know".
type When struct {
	ContainsAny []string `yaml:"contains_any"`
	ContainsAll []string `yaml:"contains_all"`
	NotContains []string `yaml:"not_contains"`
	// Matches is a regular expression, without regard to case.
	Matches string `yaml:"matches"`
	// Turn is the number of the persona's message, from 1. Only rules that name
	// turn 1 can replace the opening.
	Turn int `yaml:"turn"`
	// FromTurn is the first such number.
	FromTurn int `yaml:"from_turn"`
	// Asks is whether the agent asked a question.
	Asks *bool `yaml:"asks"`
	// WordsOver is a number of words the agent's message exceeds.
	WordsOver int `yaml:"words_over"`
	// MoodAtLeast and MoodAtMost are compared with the mood before the rule.
	MoodAtLeast *int `yaml:"mood_at_least"`
	MoodAtMost  *int `yaml:"mood_at_most"`
}

// A Reaction is the answer where no rule answers, and its change of the mood.
type Reaction struct {
	Say  []string `yaml:"say"`
	Mood int      `yaml:"mood"`
}

// Leaving says when and how a persona leaves.
type Leaving struct {
	// At is the mood. Zero: 3 for contentment, -3 for giving up.
	At int `yaml:"at"`
	// After is the number of its own messages, including the last, after which a persona
	// gives up. Zero: 8. Contentment has none.
	After int      `yaml:"after"`
	Say   []string `yaml:"say"`
}

//go:embed scenarios/*.yaml
var scenarios embed.FS

var builtin = sync.OnceValue(func() *Scenario {
	data, err := scenarios.ReadFile("scenarios/support.yaml")
	if err != nil {
		panic(err) // it is part of the program
	}
	s, err := ParseScenario(data)
	if err != nil {
		panic(fmt.Sprintf("sim: the built-in scenario: %v", err))
	}
	return s
})

// Builtin is the scenario that comes with the package: the customers of the
// support desk of a shop for home and garden. It must not be changed.
func Builtin() *Scenario { return builtin() }

// LoadScenario reads a scenario from a YAML file.
func LoadScenario(path string) (*Scenario, error) {
	data, err := yamlbound.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("sim: scenario: %w", err)
	}
	s, err := ParseScenario(data)
	if err != nil {
		return nil, fmt.Errorf("sim: scenario %q:\n%w", path, err)
	}
	return s, nil
}

// ParseScenario reads a scenario from YAML. Unknown keys are errors. All faults
// are reported at once, each with its line.
func ParseScenario(data []byte) (*Scenario, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return nil, trimYAML(err.Error())
	}
	if err := yamlbound.Check(&root); err != nil {
		return nil, fmt.Errorf("a value %w", err)
	}
	var s Scenario
	var errs []error
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&s); err != nil && !errors.Is(err, io.EOF) {
		var typeErr *yaml.TypeError
		if !errors.As(err, &typeErr) {
			return nil, trimYAML(err.Error())
		}
		for _, e := range typeErr.Errors {
			errs = append(errs, trimYAML(e))
		}
	}
	errs = append(errs, s.check(&root)...)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return &s, nil
}

// trimYAML removes the names of Go and of the library from a message.
func trimYAML(text string) error {
	text = strings.TrimPrefix(text, "yaml: ")
	if i := strings.Index(text, " in type sim."); i >= 0 {
		text = text[:i]
		text = strings.Replace(text, "field ", "unknown key ", 1)
		text = strings.TrimSuffix(text, " not found")
	}
	return errors.New(text)
}
