package replaycheck

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"golang.org/x/sync/errgroup"

	"github.com/parley-run/parley/internal/versions"
	"github.com/parley-run/parley/payloads"
)

const (
	// parallel bounds the histories that are in memory and replayed at once.
	parallel = 4
	// DefaultNewest is how many of the newest are replayed for [Request.Newest] zero.
	DefaultNewest = 1000
	// replayTime is far above what the replay of one history takes. The SDK cannot be
	// stopped in one: a workflow that blocks is left behind.
	replayTime = time.Minute
)

// A Checker replays the open workflows of one task queue with the code of this process.
type Checker struct {
	// Client and Namespace are the connection.
	Client    client.Client
	Namespace string
	TaskQueue string
	// Version is this worker's. Zero: it has none.
	Version worker.WorkerDeploymentVersion
	// Options are the worker's, for a replayer: converters, interceptors, plugins.
	Options worker.WorkflowReplayerOptions
	// Register makes the worker's workflows known.
	Register func(worker.WorkflowRegistry)
}

// A Progress is how far a check has come.
type Progress struct {
	Chosen int `json:"chosen"`
	Done   int `json:"done"`
}

// Check replays what the request says, until ctx is done. What was not replayed by then is
// counted. An error means that nothing can be said. Progress may be nil; its calls do not
// overlap.
func (c *Checker) Check(ctx context.Context, req Request, progress func(Progress)) (Report, error) {
	if req.Newest <= 0 {
		req.Newest = DefaultNewest
	}
	all, open, err := c.choose(ctx, req)
	if err != nil {
		return Report{}, err
	}
	replayer, err := c.replayer()
	if err != nil {
		return Report{}, err
	}
	var (
		mu    sync.Mutex
		out   = Report{Open: open}
		group errgroup.Group
		done  int
	)
	group.SetLimit(parallel)
	for _, one := range all {
		group.Go(func() error {
			var result Report
			switch {
			case slices.Contains(req.Except, one.id):
				result.Excepted = 1
			case ctx.Err() != nil:
				result.Unchecked = 1
			default:
				result = c.check(ctx, replayer, one, len(req.IDs) > 0)
			}
			mu.Lock()
			defer mu.Unlock()
			out = out.Add(result)
			done++
			if progress != nil {
				progress(Progress{Chosen: len(all), Done: done})
			}
			return nil
		})
	}
	_ = group.Wait()
	return out, nil
}

// check replays one workflow. Its report counts one.
func (c *Checker) check(ctx context.Context, replayer worker.WorkflowReplayer, one chosen, named bool) Report {
	failed := func(why string) Report {
		return Report{Failed: 1, Failures: []Failure{{ID: one.id, RunID: one.run, Type: one.kind, Reason: why}}}
	}
	unread := func(err error) Report {
		var gone *serviceerror.NotFound
		switch {
		case errors.As(err, &gone):
			return Report{Closed: 1}
		case ctx.Err() != nil:
			return Report{Unchecked: 1}
		case named: // what was asked for is not known
			return failed("its history cannot be read: " + oneLine(err.Error()))
		}
		return Report{Unread: 1, Reason: oneLine(err.Error())}
	}
	d, err := c.Client.DescribeWorkflowExecution(ctx, one.id, one.run)
	if err != nil {
		return unread(err)
	}
	info := d.GetWorkflowExecutionInfo()
	one = chosenFrom(info)
	switch {
	case info.GetStatus() != enums.WORKFLOW_EXECUTION_STATUS_RUNNING:
		return Report{Closed: 1}
	case !named && c.elsewhere(info):
		return Report{Pinned: 1}
	}
	events, err := c.history(ctx, one)
	if err != nil {
		return unread(err)
	}
	if err := replay(replayer, one, events); err != nil {
		report := failed(reason(err))
		if payloads.MissingKey(err.Error()) != "" {
			report.Keyless = 1
		}
		return report
	}
	return Report{Replayed: 1}
}

// elsewhere reports whether a workflow is pinned to another version.
func (c *Checker) elsewhere(info *workflow.WorkflowExecutionInfo) bool {
	at, pinned := versions.PinnedTo(info)
	return pinned && at != c.Version
}

// history is what has happened in a run up to the newest decision of its code.
func (c *Checker) history(ctx context.Context, one chosen) ([]*history.HistoryEvent, error) {
	var events []*history.HistoryEvent
	pages := c.Client.GetWorkflowHistory(ctx, one.id, one.run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for pages.HasNext() {
		event, err := pages.Next()
		if err != nil {
			return nil, fmt.Errorf("replaycheck: history of %s: %w", one.id, err)
		}
		events = append(events, event)
	}
	return decided(events), nil
}
