package operate

import (
	"context"
	"strings"

	"go.temporal.io/api/workflowservice/v1"

	"github.com/parley-run/parley/workflows"
)

// maxHomes bounds the platforms and projects that a bare id is looked for in.
const maxHomes = 50

// Find returns the workflow id of the conversation that goes by name: its
// workflow id, "<platform>/<project>/<conversation>", the conversation's id alone
// where that is unambiguous, the execution id of a task's run, or the id of a task or
// the name of a schedule, which stand for their newest run: an open one, if there is
// any.
func (o *Operator) Find(ctx context.Context, name string) (string, error) {
	name = strings.TrimSpace(name)
	if name == "" {
		return "", fault(Malformed, nil, "the conversation's id is empty")
	}
	if strings.Count(name, "/") >= 2 {
		switch kind, err := o.typeOf(ctx, name); {
		case err == nil && kind == workflows.ConversationName:
			return name, nil
		case err == nil:
			return "", fault(NotFound, nil, "%q is an execution of %s, not a conversation", name, kind)
		case KindOf(err) != NotFound:
			return "", err
		}
		// A platform's own id may contain slashes.
	}
	homes, err := o.homes(ctx)
	if err != nil {
		return "", err
	}
	var found []string
	for _, home := range homes {
		// Asking the server for the exact id finds what visibility does not show yet.
		switch kind, err := o.typeOf(ctx, home+name); {
		case err == nil && kind == workflows.ConversationName:
			found = append(found, home+name)
		case err != nil && KindOf(err) != NotFound:
			return "", err
		}
	}
	if len(found) == 0 {
		if found, err = o.executed(ctx, name); err != nil {
			return "", err
		}
	}
	if len(found) == 0 {
		if found, err = o.newestRuns(ctx, name); err != nil {
			return "", err
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return "", fault(Ambiguous, nil, "%q names %d conversations, give one of: %s", name, len(found), strings.Join(found, ", "))
	case len(homes) >= maxHomes:
		return "", fault(NotFound, nil, "no conversation %q in the first %d projects: give the whole id, <platform>/<project>/<conversation>", name, maxHomes)
	}
	return "", fault(NotFound, nil, "no conversation %q in namespace %q at %s: `starter list` shows what there is; a task has a run once it is due", name, o.Namespace, o.Address)
}

// executed lists the runs of tasks that have that execution id.
func (o *Operator) executed(ctx context.Context, execution string) ([]string, error) {
	page, err := o.Client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Query: workflows.KeyExecution.GetName() + " = " + quote(execution), PageSize: 10,
	})
	if err != nil {
		return nil, o.Explain("look for the execution", err)
	}
	var found []string
	for _, e := range page.GetExecutions() {
		found = append(found, e.GetExecution().GetWorkflowId())
	}
	return found, nil
}

func (o *Operator) typeOf(ctx context.Context, id string) (string, error) {
	d, err := o.describe(ctx, id)
	if err != nil {
		return "", err
	}
	return d.GetWorkflowExecutionInfo().GetType().GetName(), nil
}

// homes lists the "<platform>/<project>/" that conversations have, by asking for
// one conversation outside those known until there is none: a request for each
// home, however many conversations there are.
func (o *Operator) homes(ctx context.Context) ([]string, error) {
	query := "WorkflowType = " + quote(workflows.ConversationName)
	var homes []string
	for len(homes) < maxHomes {
		page, err := o.Client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: 1})
		if err != nil {
			return nil, o.Explain("look for the conversation", err)
		}
		if len(page.GetExecutions()) == 0 {
			break
		}
		home, ok := homeOf(page.GetExecutions()[0].GetExecution().GetWorkflowId())
		if !ok {
			// Not an id of ours. It must not be met again.
			home = page.GetExecutions()[0].GetExecution().GetWorkflowId()
		} else {
			homes = append(homes, home)
		}
		query += " AND WorkflowId NOT STARTS_WITH " + quote(home)
	}
	return homes, nil
}

// homeOf is the part of a workflow id before the conversation's own.
func homeOf(id string) (string, bool) {
	parts := strings.SplitN(id, "/", 3)
	if len(parts) < 3 {
		return "", false
	}
	return parts[0] + "/" + parts[1] + "/", true
}
