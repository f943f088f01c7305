package records

import (
	"context"
	"strings"

	"go.temporal.io/api/workflowservice/v1"

	"github.com/parley-run/parley/workflows"
)

// maxPrefixes bounds the platforms and projects in which a bare id is searched.
const maxPrefixes = 50

// Find returns the workflow id of the conversation of that name. A name is a
// workflow id, "<platform>/<project>/<conversation>"; the conversation's id alone, if it
// is unique; the execution id of a task's run; or the id of a task or the name of a
// schedule, which name their newest run, an open one first.
func (r *Reader) Find(ctx context.Context, name string) (string, error) {
	name = strings.TrimSpace(name)
	if name == "" {
		return "", Faultf(Malformed, nil, "the conversation's id is empty")
	}
	if strings.Count(name, "/") >= 2 {
		switch kind, err := r.typeOf(ctx, name); {
		case err == nil && kind == workflows.ConversationName:
			return name, nil
		case err == nil:
			return "", Faultf(NotFound, nil, "%q is an execution of %s, not a conversation", name, kind)
		case KindOf(err) != NotFound:
			return "", err
		}
		// The platform's own id may contain slashes.
	}
	prefixes, err := r.prefixes(ctx)
	if err != nil {
		return "", err
	}
	var found []string
	for _, prefix := range prefixes {
		// Visibility may not show a new execution yet: the exact id is asked of the
		// server.
		switch kind, err := r.typeOf(ctx, prefix+name); {
		case err == nil && kind == workflows.ConversationName:
			found = append(found, prefix+name)
		case err != nil && KindOf(err) != NotFound:
			return "", err
		}
	}
	if len(found) == 0 {
		if found, err = r.executed(ctx, name); err != nil {
			return "", err
		}
	}
	if len(found) == 0 {
		if found, err = r.newestRuns(ctx, name); err != nil {
			return "", err
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return "", Faultf(NotUnique, nil, "%q names %d conversations, give one of: %s", name, len(found), strings.Join(found, ", "))
	case len(prefixes) >= maxPrefixes:
		return "", Faultf(NotFound, nil, "no conversation %q in the first %d projects: give the whole id, <platform>/<project>/<conversation>", name, maxPrefixes)
	}
	return "", Faultf(NotFound, nil, "no conversation %q in namespace %q at %s: `starter list` lists them; a task has a run once it is due", name, r.Namespace, r.Address)
}

// executed lists the runs of tasks that have this execution id.
func (r *Reader) executed(ctx context.Context, execution string) ([]string, error) {
	page, err := r.Client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Query: workflows.KeyExecution.GetName() + " = " + Quote(execution), PageSize: 10,
	})
	if err != nil {
		return nil, r.Explain("find the execution", err)
	}
	var found []string
	for _, e := range page.GetExecutions() {
		found = append(found, e.GetExecution().GetWorkflowId())
	}
	return found, nil
}

func (r *Reader) typeOf(ctx context.Context, id string) (string, error) {
	d, err := r.DescribeRun(ctx, id)
	if err != nil {
		return "", err
	}
	return d.GetWorkflowExecutionInfo().GetType().GetName(), nil
}

// prefixes lists the "<platform>/<project>/" of all conversations. It searches for one
// conversation outside the known prefixes until there is none: a request for each
// prefix, however many conversations there are.
func (r *Reader) prefixes(ctx context.Context) ([]string, error) {
	query := "WorkflowType = " + Quote(workflows.ConversationName)
	var prefixes []string
	for len(prefixes) < maxPrefixes {
		page, err := r.Client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: 1})
		if err != nil {
			return nil, r.Explain("find the conversation", err)
		}
		if len(page.GetExecutions()) == 0 {
			break
		}
		prefix, ok := prefixOf(page.GetExecutions()[0].GetExecution().GetWorkflowId())
		if !ok {
			// Not an id of Parley: exclude it from the next search.
			prefix = page.GetExecutions()[0].GetExecution().GetWorkflowId()
		} else {
			prefixes = append(prefixes, prefix)
		}
		query += " AND WorkflowId NOT STARTS_WITH " + Quote(prefix)
	}
	return prefixes, nil
}

// prefixOf is the part of a workflow id before the conversation's own.
func prefixOf(id string) (string, bool) {
	parts := strings.SplitN(id, "/", 3)
	if len(parts) < 3 {
		return "", false
	}
	return parts[0] + "/" + parts[1] + "/", true
}
