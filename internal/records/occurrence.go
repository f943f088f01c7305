package records

import (
	"context"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/parley-run/parley/workflows"
)

// maxOccurrences bounds the runs of one task that are read.
const maxOccurrences = 100

// newestRuns finds the run for the id of a scheduled task or the name of a
// schedule: the newest open one, or else the newest. There is one for each platform
// with such a task.
func (r *Reader) newestRuns(ctx context.Context, name string) ([]string, error) {
	isConversation := "WorkflowType = " + Quote(workflows.ConversationName) + " AND "
	newest := map[string]*workflow.WorkflowExecutionInfo{}
	for _, search := range []struct {
		query  string
		prefix func(id string) (string, bool)
	}{
		{isConversation + workflows.KeySimulation.GetName() + " = " + Quote(name), func(id string) (string, bool) { return occurrencePrefix(id, name) }},
		{isConversation + "TemporalScheduledById = " + Quote(name), func(id string) (string, bool) { return schedulePrefix(id, name) }},
	} {
		page, err := r.Client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: search.query, PageSize: maxOccurrences})
		if err != nil {
			return nil, r.Explain("find the task's runs", err)
		}
		for _, e := range page.GetExecutions() {
			if prefix, ok := search.prefix(e.GetExecution().GetWorkflowId()); ok && newer(e, newest[prefix]) {
				newest[prefix] = e
			}
		}
	}
	var found []string
	for _, e := range newest {
		found = append(found, e.GetExecution().GetWorkflowId())
	}
	slices.Sort(found)
	return found, nil
}

func newer(e, than *workflow.WorkflowExecutionInfo) bool {
	open := func(e *workflow.WorkflowExecutionInfo) bool {
		return e.GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING
	}
	switch {
	case than == nil:
		return true
	case open(e) != open(than):
		return open(e)
	}
	return e.GetStartTime().AsTime().After(than.GetStartTime().AsTime())
}

// occurrencePrefix is the platform of "<platform>/<project>/<task>@<second>".
func occurrencePrefix(id, task string) (string, bool) {
	prefix, ok := prefixOf(id)
	if !ok {
		return "", false
	}
	second, ok := strings.CutPrefix(id, prefix+task+"@")
	return prefix, ok && second != "" && strings.Trim(second, "0123456789") == ""
}

// schedulePrefix is the agent of "schedule/<agent>/<name>-<time>".
func schedulePrefix(id, name string) (string, bool) {
	prefix, ok := prefixOf(id)
	if !ok || !strings.HasPrefix(prefix, "schedule/") {
		return "", false
	}
	at, ok := strings.CutPrefix(id, prefix+name+"-")
	if !ok {
		return "", false
	}
	_, err := time.Parse(time.RFC3339, at)
	return prefix, err == nil
}
