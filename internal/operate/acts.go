package operate

import (
	"context"
	"fmt"
	"slices"

	"go.temporal.io/api/history/v1"
	"golang.org/x/sync/errgroup"

	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

// Acts lists the acts on one conversation or inbox, by its workflow id, the newest
// first: in every run that Temporal still has, and those that were recorded apart, so
// also of one that was erased.
func (o *Operator) Acts(ctx context.Context, id string) ([]Act, error) {
	query := fmt.Sprintf("WorkflowId = %s OR WorkflowId STARTS_WITH %s", records.Quote(id), records.Quote(workflows.ActPrefix(id)))
	runs, err := o.runs(ctx, query)
	if err != nil {
		return nil, err
	}
	switch d, err := o.DescribeRun(ctx, id); { // visibility may not have the newest run yet
	case err == nil:
		newest := d.GetWorkflowExecutionInfo()
		run := runRef{kind: newest.GetType().GetName(), id: id, runID: newest.GetExecution().GetRunId()}
		if !slices.Contains(runs, run) {
			runs = append(runs, run)
		}
	case records.KindOf(err) != records.NotFound:
		return nil, err
	}
	acts, err := o.actsOf(ctx, runs)
	if err != nil {
		return nil, err
	}
	// An id may begin with another id and a slash.
	return slices.DeleteFunc(acts, func(a Act) bool { return a.Subject() != id }), nil
}

// A runRef names one run of a workflow.
type runRef struct{ kind, id, runID string }

func (o *Operator) runs(ctx context.Context, query string) ([]runRef, error) {
	var runs []runRef
	err := o.EachExecution(ctx, query, 0, func(kind string, c records.Conversation) bool {
		runs = append(runs, runRef{kind, c.ID, c.RunID})
		return true
	})
	return runs, err
}

// actsOf reads the acts of many runs, each act once, the newest first. A run that
// retention has removed meanwhile has none.
func (o *Operator) actsOf(ctx context.Context, runs []runRef) ([]Act, error) {
	found := make([][]Act, len(runs))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(records.Parallel)
	for i, run := range runs {
		group.Go(func() (err error) {
			found[i], err = o.actsOfRun(ctx, run)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return sortedActs(slices.Concat(found...)), nil
}

func (o *Operator) actsOfRun(ctx context.Context, run runRef) ([]Act, error) {
	r := &actReader{convert: o.ConverterOf(run.id), kind: run.kind, id: run.id, runID: run.runID}
	err := o.EachEvent(ctx, run.id, run.runID, func(event *history.HistoryEvent) error {
		r.read(event)
		return nil
	})
	if records.KindOf(err) == records.NotFound {
		return nil, nil
	}
	return r.acts, err
}

// sortedActs drops copies of an act and puts the newest first.
func sortedActs(acts []Act) []Act {
	slices.SortStableFunc(acts, func(a, b Act) int { return a.At.Compare(b.At) })
	seen := make(map[string]bool)
	acts = slices.DeleteFunc(acts, func(a Act) bool { // keeps the first
		key := a.Subject() + "\x00" + a.key
		again := seen[key]
		seen[key] = true
		return again
	})
	slices.Reverse(acts)
	return acts
}
