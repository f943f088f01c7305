package process

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/worker"

	"github.com/parley-run/parley/internal/connect"
	"github.com/parley-run/parley/internal/replaycheck"
	"github.com/parley-run/parley/internal/versions"
)

const (
	// replayNewest and replayTime bound what a worker replays before it begins to work.
	replayNewest = 200
	replayTime   = 30 * time.Second
	// replayNamed is how many workflows an error names: others have the same causes.
	replayNamed = 5
)

// A ReplayError says that this build cannot continue open workflows, so that its worker
// must not become one of a version to which they could move.
type ReplayError struct {
	Version worker.WorkerDeploymentVersion
	Report  replaycheck.Report
}

func (e *ReplayError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "process: version %s cannot continue open workflows (%s), so this worker does not start: ", versions.Name(e.Version), e.Report)
	for i, f := range e.Report.Failures {
		if i == replayNamed {
			fmt.Fprintf(&b, "; and %d more", e.Report.Failed-i)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(f.String())
	}
	b.WriteString(` (deploy a build that replays them, or let the older version finish them: docs/operations.md, "A build that cannot continue"; --replay-check=false starts it all the same)`)
	return b.String()
}

// replayAs gives the check what the worker's own options add to those of its client.
func (w *Worker) replayAs(o worker.Options) {
	w.checker.Version = o.DeploymentOptions.Version
	w.checker.Options.Interceptors = slices.Concat(w.checker.Options.Interceptors, o.Interceptors)
	w.checker.Options.Plugins = slices.Concat(w.checker.Options.Plugins, o.Plugins)
}

// CheckReplay replays open workflows with this build's code, if its version is one to which
// they could move later. A worker without a version, or of one that has open workflows
// already, is not checked. It returns a [ReplayError] if this build cannot continue them.
func (w *Worker) CheckReplay(ctx context.Context) error {
	if w.checker.Version == (worker.WorkerDeploymentVersion{}) {
		return nil
	}
	var report replaycheck.Report
	began := time.Now()
	waiting := func(err error) { w.opts.Logger.Warn("waiting for Temporal", "reason", err) }
	err := connect.Await(ctx, w.opts.TemporalWait, waiting, func(ctx context.Context) error {
		in, err := w.inUse(ctx)
		if in || err != nil {
			return err
		}
		checking, cancel := context.WithTimeout(ctx, replayTime)
		defer cancel()
		report, err = w.checker.Check(checking, replaycheck.Request{Newest: replayNewest}, nil)
		return err
	})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case connect.Unanswered(err):
		return fmt.Errorf("process: replay open workflows: %w", err)
	case err != nil:
		w.opts.Logger.Warn("open workflows are not replayed before the start", "reason", err)
		return nil
	case !report.OnlyKeys():
		return &ReplayError{Version: w.checker.Version, Report: report}
	case !report.OK(): // they wait for the key with every build, which must not hold up this one
		w.opts.Logger.Warn("open workflows wait for a key that this worker lacks", "workflows", report.Failed, "one", report.Failures[0].String())
	case report.Open > 0:
		w.opts.Logger.Info("this build can continue open workflows", "replayed", report.Replayed, "open", report.Open, "pinned", report.Pinned,
			"unread", report.Unread, "unchecked", report.Unchecked, "took", time.Since(began).Round(time.Millisecond).String())
	}
	if report.Unread > 0 {
		w.opts.Logger.Warn("some open workflows were not replayed before the start", "unread", report.Unread, "reason", report.Reason)
	}
	return nil
}

// inUse reports whether workflows run on the version already: it is current or ramping, or
// is left by the last ones. A check would then keep workers from what only they can do.
func (w *Worker) inUse(ctx context.Context) (bool, error) {
	version := w.checker.Version
	state, err := versions.Reader{Client: w.opts.Client, Namespace: w.checker.Namespace}.Read(ctx, w.opts.TaskQueue, version.DeploymentName)
	if err != nil {
		return false, err
	}
	role := state.Of(version).Role
	return role == versions.Current || role == versions.Ramping || role == versions.Draining, nil
}
