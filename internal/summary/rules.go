package summary

import (
	"fmt"
	"slices"
	"strings"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

// Rules say which conversations count as failures. The zero value has no failures: see
// [DefaultRules].
type Rules struct {
	// Failures are outcomes, statuses and values of ended_by, of [FailureNames].
	Failures []string `json:"failures"`
	// MinScore makes a failure of each conversation that the platform scored lower on any
	// objective. Zero: scores do not matter.
	MinScore float64 `json:"min_score,omitempty"`
}

// DefaultRules count as failures what did not run to its end, and what waits for an operator.
func DefaultRules() Rules {
	return Rules{Failures: []string{
		string(conversation.OutcomeFailed), string(conversation.OutcomeCancelled), string(conversation.OutcomeExpired), string(conversation.OutcomeBudgetSpent),
		"terminated", "timed_out", string(workflows.StateNeedsAttention), records.StatusStranded, records.StatusWaitsForKey,
	}}
}

// FailureNames are the names that Rules.Failures may have.
func FailureNames() []string {
	return append(DefaultRules().Failures,
		string(conversation.OutcomeClaimLost), string(conversation.EndedByTurnLimit), string(conversation.EndedByAgent), string(conversation.EndedByOperator),
		string(conversation.EndedByPlatform), string(conversation.EndedByPersona), string(workflows.StateNeedsApproval), string(workflows.StatePaused), records.StatusOpen)
}

// NewRules are the rules with these failures. It accepts hyphens for underscores.
func NewRules(failures []string, minScore float64) (Rules, error) {
	r := Rules{MinScore: minScore, Failures: []string{}}
	for _, f := range failures {
		name := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(f)), "-", "_")
		if !slices.Contains(FailureNames(), name) {
			return r, fmt.Errorf("unknown failure %q: use %s", f, strings.Join(FailureNames(), ", "))
		}
		r.Failures = union(r.Failures, name)
	}
	return r, nil
}

// A Class is what a conversation counts as.
type Class string

// The classes. Undecided conversations are still open, or another worker has them.
const (
	Passed    Class = "passed"
	Failed    Class = "failed"
	Undecided Class = "undecided"
)

// Class is what a conversation counts as.
func (r Rules) Class(c Case) Class {
	has := func(name string) bool { return name != "" && slices.Contains(r.Failures, name) }
	low := r.MinScore > 0 && slices.ContainsFunc(c.Evaluations, func(e conversation.Evaluation) bool { return e.Score < r.MinScore })
	switch {
	case has(c.Key()), has(string(c.EndedBy)), low, c.Open && has(records.StatusOpen):
		return Failed
	case c.Open, c.Outcome == conversation.OutcomeClaimLost:
		return Undecided
	}
	return Passed
}
