package replaycheck

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/parley-run/parley/workflows"
)

// A chosen workflow is one run to replay.
type chosen struct{ id, run, kind string }

func chosenFrom(info *workflow.WorkflowExecutionInfo) chosen {
	return chosen{id: info.GetExecution().GetWorkflowId(), run: info.GetExecution().GetRunId(), kind: info.GetType().GetName()}
}

// states are those of open conversations.
var states = []workflows.State{
	workflows.StateWaiting, workflows.StateClaiming, workflows.StateTalking, workflows.StateListening, workflows.StatePaused,
	workflows.StateNeedsAttention, workflows.StateNeedsApproval, workflows.StateEnding,
}

// maxKinds bounds the requests for workflows of further types.
const maxKinds = 20

// choose lists what to replay, and counts what is open. It asks the visibility store, which
// may be a second behind.
func (c *Checker) choose(ctx context.Context, req Request) ([]chosen, int, error) {
	query := c.query()
	counted, err := c.Client.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: query})
	if err != nil {
		return nil, 0, fmt.Errorf("replaycheck: count open workflows: %w", err)
	}
	open := int(counted.GetCount())
	if len(req.IDs) > 0 {
		named := make([]chosen, len(req.IDs))
		for i, id := range req.IDs {
			named[i] = chosen{id: id}
		}
		return named, open, nil
	}
	if open == 0 {
		return nil, 0, nil
	}
	newest, more, err := c.list(ctx, query, req.Newest)
	if err != nil || !more {
		return newest, max(open, len(newest)), err
	}
	rest, err := c.oneOfEach(ctx, query, newest)
	return append(newest, rest...), open, err
}

// query finds the open workflows of the task queue, without the checks of them.
func (c *Checker) query() string {
	return fmt.Sprintf("TaskQueue = %s AND ExecutionStatus = 'Running' AND WorkflowType != %s", quote(c.TaskQueue), quote(WorkflowName))
}

// list returns the newest, and whether there are more.
func (c *Checker) list(ctx context.Context, query string, limit int) (found []chosen, more bool, err error) {
	var next []byte
	for {
		page, err := c.Client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			Query: query, PageSize: int32(min(500, limit-len(found)+1)), NextPageToken: next,
		})
		if err != nil {
			return nil, false, fmt.Errorf("replaycheck: list open workflows: %w", err)
		}
		for _, info := range page.GetExecutions() {
			if len(found) == limit {
				return found, true, nil
			}
			found = append(found, chosenFrom(info))
		}
		if next = page.GetNextPageToken(); len(next) == 0 {
			return found, false, nil
		}
	}
}

// oneOfEach finds the newest workflow of every type and the newest conversation in every
// state that are not among those found.
func (c *Checker) oneOfEach(ctx context.Context, query string, found []chosen) (rest []chosen, err error) {
	have, kinds := map[string]bool{}, map[string]bool{}
	for _, f := range found {
		have[f.run], kinds[f.kind] = true, true
	}
	add := func(query string) (string, error) {
		one, _, err := c.list(ctx, query, 1)
		if err != nil || len(one) == 0 {
			return "", err
		}
		if !have[one[0].run] {
			have[one[0].run] = true
			rest = append(rest, one[0])
		}
		return one[0].kind, nil
	}
	for kind := range kinds {
		query += " AND WorkflowType != " + quote(kind)
	}
	for range maxKinds {
		kind, err := add(query)
		if err != nil {
			return nil, err
		}
		if kind == "" {
			break
		}
		query += " AND WorkflowType != " + quote(kind)
	}
	for _, state := range states {
		_, err := add(fmt.Sprintf("%s AND %s = %s", c.query(), workflows.KeyStatus.GetName(), quote(string(state))))
		var unknown *serviceerror.InvalidArgument
		if errors.As(err, &unknown) { // a namespace without the search attribute
			break
		}
		if err != nil {
			return nil, err
		}
	}
	return rest, nil
}

// quote makes a value safe in a visibility query.
func quote(value string) string {
	return "'" + strings.ReplaceAll(strings.ReplaceAll(value, `\`, `\\`), "'", `\'`) + "'"
}
