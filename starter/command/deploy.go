package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-run/parley/internal/duration"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/replaycheck"
	"github.com/parley-run/parley/internal/rollout"
	"github.com/parley-run/parley/internal/versions"
)

// deployPatience is how long deploy waits for workers unless --timeout says otherwise: pods
// that have been scheduled are there by then.
const deployPatience = 5 * time.Minute

// deployFlags are those of deploy.
type deployFlags struct {
	target    versions.Version
	ramp      percentages
	hold      time.Duration
	wait      bool
	check     bool
	histories int
	except    []string
}

func (s *starter) deployCommand() *cobra.Command {
	var f deployFlags
	cmd := &cobra.Command{
		Use: "deploy", Long: deployHelp, Example: deployExample, Args: noArguments,
		RunE: s.does(func(ctx context.Context, _ []string) error { return s.deploy(ctx, f) }),
	}
	flags := cmd.Flags()
	flags.StringVar(&f.target.DeploymentName, "deployment-name", "", "`name` of the deployment (default: the one that the task queue has)")
	flags.StringVar(&f.target.BuildID, "build-id", "", "the build's `id`")
	flags.Var(&f.ramp, "ramp", "`percentages` of the work, in rising steps, before the build gets all of it")
	flags.Var(duration.NewFlag(&f.hold, 5*time.Minute), "hold", "how long each step of --ramp lasts")
	flags.BoolVar(&f.wait, "wait", false, "wait until no open workflow is pinned to another build")
	flags.BoolVar(&f.check, "replay-check", true, "have the build replay open workflows first, and stop if it cannot continue one")
	flags.IntVar(&f.histories, "histories", replaycheck.DefaultNewest, "replay at most this many of the newest, and one of each type and status")
	flags.StringSliceVar(&f.except, "except", nil, "workflow `ids` that need not be replayable")
	s.flags.registerAs(flags)
	return cmd
}

func (f deployFlags) validate() error {
	switch {
	case f.target.BuildID == "":
		return usagef("name the build: give --build-id")
	case f.hold <= 0:
		return usagef("--hold %v: use a positive duration such as 5m", f.hold)
	case f.histories < 1:
		return usagef("--histories %d: use 1 or more", f.histories)
	}
	return nil
}

// deployed is deploy's JSON document.
type deployed struct {
	rollout.Result
	// State is done, refused, no_workers, interrupted or failed.
	State string `json:"state"`
	Error string `json:"error,omitempty"`
}

func (s *starter) deploy(ctx context.Context, f deployFlags) error {
	if err := f.validate(); err != nil {
		return err
	}
	o, err := s.operator(ctx)
	if err != nil {
		return err
	}
	if f.target.DeploymentName == "" {
		if f.target.DeploymentName, err = s.deploymentOf(ctx, o); err != nil {
			return err
		}
	}
	r := rollout.Rollout{
		Client: o.Client, Namespace: o.Namespace, TaskQueue: o.TaskQueue, Target: f.target, By: s.operatorName(),
		Ramp: f.ramp, Hold: f.hold, Patience: deployPatience, Wait: f.wait, Tell: s.say,
	}
	if s.flags.timeoutGiven() {
		r.Patience = s.flags.timeout
	}
	if f.check {
		r.Check = &replaycheck.Request{Newest: f.histories, Except: f.except}
	}
	result, err := r.Run(ctx)
	return s.deployed(ctx, o, r, result, err)
}

// deploymentOf is the deployment that the task queue has.
func (s *starter) deploymentOf(ctx context.Context, o *operate.Operator) (string, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	state, err := versions.Reader{Client: o.Client, Namespace: o.Namespace}.Read(ctx, o.TaskQueue, "")
	if err != nil {
		return "", o.Explain("deploy", err)
	}
	if state.Deployment == "" {
		return "", usagef("task queue %q has no deployment yet: give --deployment-name, and start workers with it", o.TaskQueue)
	}
	return state.Deployment, nil
}

// deployed writes how it went, and what state is left.
func (s *starter) deployed(ctx context.Context, o *operate.Operator, r rollout.Rollout, result rollout.Result, err error) error {
	doc := deployed{Result: result, State: "done"}
	code := codeFailed
	switch {
	case err == nil:
		code = codeOK
	case ctx.Err() != nil:
		doc.State, err = "interrupted", ctx.Err()
	case errors.Is(err, rollout.ErrReplay):
		doc.State, code = "refused", codeNeedsOperator
	case errors.Is(err, rollout.ErrNoWorkers):
		doc.State = "no_workers"
	default:
		doc.State, err = "failed", o.Explain("deploy "+versions.Name(r.Target), err)
	}
	if err != nil {
		doc.Error = err.Error()
	}
	if s.inJSON() {
		if e := s.document(doc); e != nil {
			return e
		}
	} else if err == nil {
		s.print("%s is current%s\n%s", versions.Name(r.Target), before(result), pinnedText(result))
	}
	if err == nil {
		return nil
	}
	if !s.inJSON() && result.Replay != nil {
		for _, failure := range result.Replay.Failures {
			s.say("  %s", failure)
		}
	}
	s.say("%s", left(r, result))
	return &exitError{code, err}
}

func before(r rollout.Result) string {
	switch {
	case r.Before == r.Current:
		return ", as before"
	case r.Before == "":
		return "; before it, workers without a version had all work"
	}
	return "; before it: " + r.Before
}

// pinnedText says what older versions are still needed for.
func pinnedText(r rollout.Result) string {
	if len(r.Pinned) == 0 {
		return "no open workflow is pinned to another build: their workers can be stopped\n"
	}
	var b strings.Builder
	for _, p := range r.Pinned {
		fmt.Fprintf(&b, "open workflows that are pinned to %s: %d (keep its workers until they end, or: starter move)\n", p.Version, p.Open)
	}
	return b.String()
}

// left says what an unfinished rollout leaves, and how to go on or back.
func left(r rollout.Rollout, result rollout.Result) string {
	current := result.Current
	if current == "" {
		current = "nothing (workers without a version have all work)"
	}
	text := "current: " + current
	if result.RampPercent > 0 {
		text += fmt.Sprintf("; %s ramps at %v %%", result.Ramping, result.RampPercent)
	} else if result.Current != versions.Name(r.Target) {
		return text + "; nothing was changed"
	}
	back := "temporal worker deployment set-ramping-version --delete --deployment-name " + r.Target.DeploymentName
	if deployment, build, ok := strings.Cut(result.Before, ":"); ok && deployment == r.Target.DeploymentName {
		back = fmt.Sprintf("starter deploy --deployment-name %s --build-id %s", deployment, build)
	}
	return fmt.Sprintf("%s; to go on: starter deploy --deployment-name %s --build-id %s; to go back: %s",
		text, r.Target.DeploymentName, r.Target.BuildID, back)
}
