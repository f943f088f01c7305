package process

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// The caller's function sets what it likes, but not what the worker depends on.
func TestWorkerOptionsAreProtected(t *testing.T) {
	t.Parallel()
	var told error
	w := &Worker{fatal: make(chan error, 1), opts: Options{
		Identity: "me", Drain: 7 * time.Second, MaxActivities: 30, MaxPollers: 9,
		Change: func(o *worker.Options) {
			*o = worker.Options{
				Identity: "other", WorkerStopTimeout: -1, MaxHeartbeatThrottleInterval: time.Hour, DeadlockDetectionTimeout: time.Millisecond,
				WorkflowPanicPolicy: worker.FailWorkflow, DisableWorkflowWorker: true, LocalActivityWorkerOnly: true,
				MaxConcurrentLocalActivityExecutionSize: 5,
				OnFatalError:                            func(err error) { told = err },
				DeploymentOptions:                       worker.DeploymentOptions{UseVersioning: true},
			}
		},
	}}
	o := w.options()
	require.Equal(t, "me", o.Identity)
	require.Equal(t, 7*time.Second, o.WorkerStopTimeout)
	require.Equal(t, heartbeatThrottle, o.MaxHeartbeatThrottleInterval)
	require.Equal(t, deadlock, o.DeadlockDetectionTimeout)
	require.Equal(t, worker.BlockWorkflow, o.WorkflowPanicPolicy)
	require.False(t, o.DisableWorkflowWorker)
	require.False(t, o.LocalActivityWorkerOnly)
	require.Equal(t, 30, o.MaxConcurrentActivityExecutionSize)
	require.Equal(t, 5, o.MaxConcurrentLocalActivityExecutionSize)
	require.Equal(t, workflow.VersioningBehaviorAutoUpgrade, o.DeploymentOptions.DefaultVersioningBehavior)
	broken := errors.New("broken")
	o.OnFatalError(broken)
	require.Equal(t, broken, told)
	require.Equal(t, broken, <-w.fatal)
}

func TestWorkerOptionsAreTheCallers(t *testing.T) {
	t.Parallel()
	tuner, err := worker.NewFixedSizeTuner(worker.FixedSizeTunerOptions{NumActivitySlots: 9})
	require.NoError(t, err)
	w := &Worker{opts: Options{MaxActivities: 30, MaxPollers: 9, Change: func(o *worker.Options) {
		o.Tuner = tuner
		o.DeadlockDetectionTimeout = time.Minute
	}}}
	o := w.options()
	require.Zero(t, o.MaxConcurrentActivityExecutionSize, "the tuner says it")
	require.Equal(t, time.Minute, o.DeadlockDetectionTimeout)
	require.False(t, o.DeploymentOptions.UseVersioning)
}
