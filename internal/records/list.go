package records

import (
	"context"
	"strings"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"golang.org/x/sync/errgroup"

	"github.com/parley-run/parley/workflows"
)

// A Page is a part of the conversations that match a filter, with the counts of all of
// them.
type Page struct {
	Conversations []Conversation `json:"conversations"`
	Counts        Counts         `json:"counts"`
}

// Counts count all conversations that match a filter. Visibility may be a second behind.
type Counts struct {
	// Shown of Total are in the page.
	Shown int64 `json:"shown"`
	Total int64 `json:"total"`
	Open  int64 `json:"open"`
	// NeedAttention is a part of Open.
	NeedAttention int64 `json:"need_attention"`
	// Stranded are the open ones of the operator's task queue that no worker can run.
	// They may need attention too.
	Stranded int64 `json:"stranded"`
	// Completed workflows have an outcome. Broken ones failed, timed out, were cancelled
	// or terminated.
	Completed int64 `json:"completed"`
	Broken    int64 `json:"broken"`
}

// List returns conversations, the newest first, at most limit of them. Zero or less:
// all.
func (r *Reader) List(ctx context.Context, f Filter, limit int) (Page, error) {
	if len(f.Statuses) == 1 && isWaitsForKey(f.Statuses[0]) {
		return r.listWaiting(ctx, f, limit)
	}
	query, err := r.ConversationQuery(ctx, f)
	if err != nil {
		return Page{}, err
	}
	found, err := r.Search(ctx, query, limit)
	if err != nil {
		return Page{}, err
	}
	counts, err := r.count(ctx, f, query)
	if err != nil {
		return Page{}, err
	}
	if err := r.complete(ctx, found); err != nil {
		return Page{}, err
	}
	newestFirst(found)
	counts.Shown = int64(len(found))
	counts.Total = max(counts.Total, counts.Shown)
	return Page{Conversations: found, Counts: counts}, nil
}

// complete adds what visibility does not have. Only a description has the persona of a
// conversation whose payloads are encrypted, and what is wrong with an open one. A
// conversation that was removed since the search keeps its line.
func (r *Reader) complete(ctx context.Context, found []Conversation) error {
	var group errgroup.Group
	group.SetLimit(Parallel)
	for i := range found {
		if !found[i].Open && found[i].Persona != "" {
			continue
		}
		group.Go(func() error {
			d, err := r.DescribeRun(ctx, found[i].ID)
			if err == nil && d.GetWorkflowExecutionInfo().GetExecution().GetRunId() == found[i].RunID {
				found[i] = r.fromDescription(ctx, d)
			}
			return nil
		})
	}
	_ = group.Wait()
	return ctx.Err()
}

// isWaitsForKey accepts the spellings that a filter does.
func isWaitsForKey(status string) bool {
	return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(status)), "-", "_") == StatusWaitsForKey
}

// listWaiting lists those that wait for a key. Its counts are of these.
func (r *Reader) listWaiting(ctx context.Context, f Filter, limit int) (Page, error) {
	found, _, err := r.WaitForKeys(ctx, f)
	if err != nil {
		return Page{}, err
	}
	counts := Counts{Total: int64(len(found)), Open: int64(len(found)), NeedAttention: int64(len(found))}
	if limit > 0 {
		found = found[:min(limit, len(found))]
	}
	counts.Shown = int64(len(found))
	return Page{Conversations: found, Counts: counts}, nil
}

// ConversationQuery is a filter as a query over conversations.
func (r *Reader) ConversationQuery(ctx context.Context, f Filter) (string, error) {
	for _, status := range f.Statuses {
		if statusName(status) == StatusStranded {
			condition, err := r.strandedQuery(ctx)
			if err != nil {
				return "", err
			}
			f.stranded = condition
			break
		}
	}
	return f.Visibility(workflows.ConversationName)
}

// Search pages through visibility, which lists open conversations first and then the
// newest closed ones.
func (r *Reader) Search(ctx context.Context, query string, limit int) ([]Conversation, error) {
	found := []Conversation{}
	err := r.EachExecution(ctx, query, limit, func(_ string, c Conversation) bool {
		found = append(found, c)
		return limit <= 0 || len(found) < limit
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// EachExecution reads executions and their workflow types in visibility's order, until
// use returns false. limit bounds the pages that are asked for. Zero or less: no bound.
func (r *Reader) EachExecution(ctx context.Context, query string, limit int, use func(kind string, c Conversation) bool) error {
	var next []byte
	for read := 0; ; {
		size := 500
		if limit > 0 {
			size = min(size, limit-read)
		}
		page, err := r.Client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			Query: query, PageSize: int32(size), NextPageToken: next,
		})
		if err != nil {
			return r.Explain("list", err)
		}
		for _, info := range page.GetExecutions() {
			if !use(info.GetType().GetName(), r.fromInfo(info)) {
				return nil
			}
		}
		read += len(page.GetExecutions())
		next = page.GetNextPageToken()
		if len(next) == 0 || limit > 0 && read >= limit {
			return nil
		}
	}
}

func (r *Reader) count(ctx context.Context, f Filter, query string) (Counts, error) {
	var counts Counts
	all, err := r.Client.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: query + " GROUP BY ExecutionStatus"})
	if err != nil {
		return counts, r.Explain("count", err)
	}
	counts.Total = all.GetCount()
	for _, group := range all.GetGroups() {
		var name string
		if values := group.GetGroupValues(); len(values) > 0 {
			_ = converter.GetDefaultDataConverter().FromPayload(values[0], &name)
		}
		switch name {
		case enums.WORKFLOW_EXECUTION_STATUS_RUNNING.String():
			counts.Open += group.GetCount()
		case enums.WORKFLOW_EXECUTION_STATUS_COMPLETED.String():
			counts.Completed += group.GetCount()
		default:
			counts.Broken += group.GetCount()
		}
	}
	if counts.Open == 0 {
		return counts, nil
	}
	attention := query + " AND ExecutionStatus = 'Running' AND " + workflows.KeyStatus.GetName() + " = " + Quote(string(workflows.StateNeedsAttention))
	parked, err := r.Client.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: attention})
	if err != nil {
		return counts, r.Explain("count", err)
	}
	counts.NeedAttention = parked.GetCount()
	condition, err := r.strandedQuery(ctx)
	if err != nil {
		return counts, nil // the list itself is still right
	}
	stranded, err := r.Client.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: query + " AND " + condition})
	if err != nil {
		return counts, r.Explain("count", err)
	}
	counts.Stranded = stranded.GetCount()
	return counts, nil
}
