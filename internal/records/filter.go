package records

import (
	"fmt"
	"slices"
	"strings"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/workflows"
)

// A Filter chooses conversations. Its zero value chooses all. Fields are joined by
// "and", the values of one field by "or".
type Filter struct {
	Platform   string
	Project    string
	Agent      string // the platform's id
	Simulation string
	// Statuses are those of StatusNames, and Outcomes those of OutcomeNames.
	Statuses []string
	Outcomes []string
	// Query is a visibility query of Temporal, for conditions without a field.
	Query string

	stranded string // the condition of StatusStranded
}

// Statuses that are not states of the workflow but combine them with Temporal's state.
const (
	StatusOpen   = "open"   // any state that is not closed
	StatusClosed = "closed" // ended in any way
	StatusBroken = "broken" // the workflow failed, timed out or was terminated
)

// StatusNames are the statuses that a Filter knows.
func StatusNames() []string {
	return []string{
		string(workflows.StateWaiting), string(workflows.StateClaiming), string(workflows.StateTalking), string(workflows.StateListening), string(workflows.StatePaused),
		string(workflows.StateNeedsAttention), string(workflows.StateNeedsApproval), string(workflows.StateEnding), StatusStranded, StatusOpen, StatusClosed, StatusBroken,
		StatusWaitsForKey,
	}
}

// OutcomeNames are the outcomes that a Filter knows.
func OutcomeNames() []string {
	return []string{
		string(conversation.OutcomeEnded), string(conversation.OutcomeClaimLost), string(conversation.OutcomeFailed),
		string(conversation.OutcomeCancelled), string(conversation.OutcomeExpired), string(conversation.OutcomeBudgetSpent),
	}
}

// Visibility is the filter as a query over workflows of one type. A conversation that
// continued as new counts once, by its newest run.
func (f Filter) Visibility(workflowType string) (string, error) {
	terms := []string{
		"WorkflowType = " + Quote(workflowType),
		"ExecutionStatus != 'ContinuedAsNew'",
	}
	equal := func(key, value string) {
		if value != "" {
			terms = append(terms, key+" = "+Quote(value))
		}
	}
	equal(workflows.KeyPlatform.GetName(), f.Platform)
	equal(workflows.KeyProject.GetName(), f.Project)
	equal(workflows.KeyAgent.GetName(), f.Agent)
	equal(workflows.KeySimulation.GetName(), f.Simulation)

	statuses, err := oneOf("status", f.Statuses, StatusNames(), func(status string) string {
		switch status {
		case StatusOpen:
			return "ExecutionStatus = 'Running'"
		case StatusClosed:
			return "ExecutionStatus != 'Running'"
		case StatusWaitsForKey:
			// Visibility does not know: [Reader.List] asks the conversations themselves.
			return "ExecutionStatus = 'Running'"
		case StatusBroken:
			return "ExecutionStatus IN ('Failed', 'Terminated', 'TimedOut')"
		case StatusStranded:
			return f.stranded
		}
		return fmt.Sprintf("(ExecutionStatus = 'Running' AND %s = %s)", workflows.KeyStatus.GetName(), Quote(status))
	})
	if err != nil {
		return "", err
	}
	outcomes, err := oneOf("outcome", f.Outcomes, OutcomeNames(), func(outcome string) string {
		return workflows.KeyOutcome.GetName() + " = " + Quote(outcome)
	})
	if err != nil {
		return "", err
	}
	for _, term := range []string{statuses, outcomes, f.Query} {
		if term = strings.TrimSpace(term); term != "" {
			terms = append(terms, "("+term+")")
		}
	}
	return strings.Join(terms, " AND "), nil
}

// oneOf joins the terms of some values by "or". It accepts capitals, and hyphens for
// underscores.
func oneOf(what string, values, known []string, term func(string) string) (string, error) {
	var terms []string
	for _, value := range values {
		name := statusName(value)
		if !slices.Contains(known, name) {
			return "", Faultf(Malformed, nil, "unknown %s %q: use %s", what, value, strings.Join(known, ", "))
		}
		terms = append(terms, term(name))
	}
	return strings.Join(terms, " OR "), nil
}

func statusName(value string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(value)), "-", "_")
}

// Quote makes a value safe in a visibility query.
func Quote(value string) string {
	return "'" + strings.ReplaceAll(strings.ReplaceAll(value, `\`, `\\`), "'", `\'`) + "'"
}
