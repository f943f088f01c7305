package replaycheck_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/internal/connect"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/replaycheck"
	"github.com/parley-run/parley/payloads"
)

// text must not be in a report.
const text = "my mother's maiden name is Wintergreen"

// talk is a workflow of two types that does an activity and waits. Builds differ in the
// activity's name.
func talk(activityName string) func(worker.WorkflowRegistry) {
	return func(r worker.WorkflowRegistry) {
		for _, name := range []string{"Talk", "Other"} {
			r.RegisterWorkflowWithOptions(func(ctx workflow.Context, said string) error {
				name := activityName
				if said == "" {
					name = "same"
				}
				ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
				var answer string
				for range 2 {
					if err := workflow.ExecuteActivity(ctx, name, said).Get(ctx, &answer); err != nil {
						return err
					}
					workflow.GetSignalChannel(ctx, "more").Receive(ctx, nil)
				}
				return nil
			}, workflow.RegisterOptions{Name: name, VersioningBehavior: workflow.VersioningBehaviorAutoUpgrade})
		}
	}
}

var started atomic.Int64

// start starts a workflow and returns its id.
func start(t *testing.T, c client.Client, queue, kind, said string) string {
	t.Helper()
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: fmt.Sprintf("%s/%d", queue, started.Add(1)), TaskQueue: queue}, kind, said)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.TerminateWorkflow(context.Background(), run.GetID(), "", "test over") })
	return run.GetID()
}

// work runs a worker until stop.
func work(t *testing.T, c client.Client, queue string, register func(worker.WorkflowRegistry), o worker.Options, also ...func(worker.Worker)) (stop func()) {
	t.Helper()
	w := worker.New(c, queue, o)
	register(w)
	for _, name := range []string{"one", "two", "same"} {
		w.RegisterActivityWithOptions(func(context.Context, string) (string, error) { return text, nil }, activity.RegisterOptions{Name: name})
	}
	for _, f := range also {
		f(w)
	}
	require.NoError(t, w.Start())
	return w.Stop
}

// until waits for an event in a history.
func until(t *testing.T, c client.Client, id string, kind enums.EventType) {
	t.Helper()
	require.Eventually(t, func() bool {
		events := c.GetWorkflowHistory(t.Context(), id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for events.HasNext() {
			e, err := events.Next()
			require.NoError(t, err)
			if e.GetEventType() == kind {
				return true
			}
		}
		return false
	}, 20*time.Second, 20*time.Millisecond)
}

// check waits for visibility to show the open workflows, and checks.
func check(t *testing.T, c replaycheck.Checker, open int, req replaycheck.Request) replaycheck.Report {
	t.Helper()
	var report replaycheck.Report
	require.Eventually(t, func() (ok bool) {
		var err error
		report, err = c.Check(t.Context(), req, nil)
		require.NoError(t, err)
		return report.Open == open
	}, 10*time.Second, 50*time.Millisecond, "visibility")
	return report
}

func TestOpenWorkflowsAreReplayed(t *testing.T) {
	t.Parallel()
	c := localstacktest.Client(t)
	const queue = "replaycheck-open"
	stop := work(t, c, queue, talk("one"), worker.Options{})
	waiting := start(t, c, queue, "Talk", text)       // for a signal
	due := start(t, c, queue, "Talk", "has a signal") // with a workflow task that no worker has
	other := start(t, c, queue, "Other", "")          // does the same in both builds
	for _, id := range []string{waiting, due, other} {
		until(t, c, id, enums.EVENT_TYPE_ACTIVITY_TASK_COMPLETED)
	}
	require.Eventually(t, func() bool { // the answer has been taken
		d, err := c.DescribeWorkflowExecution(t.Context(), due, "")
		require.NoError(t, err)
		return d.GetPendingWorkflowTask() == nil
	}, 10*time.Second, 20*time.Millisecond)
	stop()
	require.NoError(t, c.SignalWorkflow(t.Context(), due, "", "more", nil))
	start(t, c, queue, "Talk", "has not begun")

	same := replaycheck.Checker{Client: c, TaskQueue: queue, Register: talk("one")}
	report := check(t, same, 4, replaycheck.Request{})
	require.Equal(t, replaycheck.Report{Open: 4, Replayed: 4}, report)
	require.True(t, report.OK())

	changed := replaycheck.Checker{Client: c, TaskQueue: queue, Register: talk("two")}
	report = check(t, changed, 4, replaycheck.Request{})
	require.False(t, report.OK())
	require.Equal(t, 2, report.Failed, "%+v", report)
	require.Equal(t, 2, report.Replayed)
	for _, f := range report.Failures {
		require.Contains(t, []string{waiting, due}, f.ID)
		require.Equal(t, "Talk", f.Type)
		require.NotEmpty(t, f.RunID)
		require.Equal(t, "this build does something else: the history has ActivityTaskScheduled (one), this build has ScheduleActivityTask (two)", f.Reason)
	}

	report = check(t, changed, 4, replaycheck.Request{IDs: []string{waiting, "no such workflow"}})
	require.Equal(t, []int{1, 1, 0}, []int{report.Failed, report.Closed, report.Replayed})
	report = check(t, changed, 4, replaycheck.Request{Except: []string{waiting, due}})
	require.Equal(t, replaycheck.Report{Open: 4, Replayed: 2, Excepted: 2}, report)
	// The newest, and one of the other type.
	report = check(t, changed, 4, replaycheck.Request{Newest: 1})
	require.Equal(t, replaycheck.Report{Open: 4, Replayed: 2}, report)

	gone := replaycheck.Checker{Client: c, TaskQueue: queue, Register: func(worker.WorkflowRegistry) {}}
	report = check(t, gone, 4, replaycheck.Request{IDs: []string{other}})
	require.Equal(t, 1, report.Failed)
	require.Contains(t, report.Failures[0].Reason, "Other", "the type is not registered")

	// One more than are replayed at once.
	start(t, c, queue, "Talk", "has not begun either")
	check(t, same, 5, replaycheck.Request{})
	late, cancel := context.WithCancel(t.Context())
	report, err := same.Check(late, replaycheck.Request{}, func(replaycheck.Progress) { cancel() })
	require.NoError(t, err)
	require.NotZero(t, report.Unchecked)
	require.Equal(t, 5, report.Unchecked+report.Replayed)
	require.True(t, report.OK())
}

// A version's own worker replays, whatever version is current, and leaves out what is
// pinned to another.
func TestVersionReplays(t *testing.T) {
	t.Parallel()
	c := localstacktest.Client(t)
	const queue = "replaycheck-versions"
	version := func(build string) worker.WorkerDeploymentVersion {
		return worker.WorkerDeploymentVersion{DeploymentName: "replaycheck", BuildID: build}
	}
	for build, name := range map[string]string{"a": "one", "b": "two"} {
		checker := &replaycheck.Checker{Client: c, TaskQueue: queue, Version: version(build), Register: talk(name)}
		stop := work(t, c, queue, talk(name), worker.Options{DeploymentOptions: worker.DeploymentOptions{
			UseVersioning: true, Version: version(build), DefaultVersioningBehavior: workflow.VersioningBehaviorAutoUpgrade,
		}}, func(w worker.Worker) {
			replaycheck.RegisterWorkflow(w)
			checker.RegisterActivity(w)
		})
		t.Cleanup(stop)
	}
	handle := c.WorkerDeploymentClient().GetHandle("replaycheck")
	require.Eventually(t, func() bool {
		_, err := handle.SetCurrentVersion(t.Context(), client.WorkerDeploymentSetCurrentVersionOptions{BuildID: "a"})
		return err == nil
	}, time.Minute, 100*time.Millisecond)
	moves := start(t, c, queue, "Talk", "moves")
	pinned := start(t, c, queue, "Talk", "stays")
	for _, id := range []string{moves, pinned} {
		until(t, c, id, enums.EVENT_TYPE_ACTIVITY_TASK_COMPLETED)
	}
	_, err := c.UpdateWorkflowExecutionOptions(t.Context(), client.UpdateWorkflowExecutionOptionsRequest{
		WorkflowId: pinned,
		WorkflowExecutionOptionsChanges: client.WorkflowExecutionOptionsChanges{
			VersioningOverride: &client.VersioningOverrideChange{Value: &client.PinnedVersioningOverride{Version: version("a")}},
		},
	})
	require.NoError(t, err)
	ask := func(build string, req replaycheck.Request) (report replaycheck.Report) {
		require.Eventually(t, func() bool {
			report, err = replaycheck.Run(t.Context(), replaycheck.Target{Client: c, TaskQueue: queue, Version: version(build)}, req)
			require.NoError(t, err)
			return report.Open == 2
		}, time.Minute, 100*time.Millisecond)
		return report
	}
	require.Equal(t, replaycheck.Report{Open: 2, Replayed: 2}, ask("a", replaycheck.Request{}))
	report := ask("b", replaycheck.Request{})
	require.Equal(t, []int{1, 1}, []int{report.Failed, report.Pinned}, "%+v", report)
	require.Equal(t, moves, report.Failures[0].ID)
	report = ask("b", replaycheck.Request{IDs: []string{pinned}})
	require.Equal(t, pinned, report.Failures[0].ID, "named ones are replayed wherever they are pinned")

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err = replaycheck.Run(ctx, replaycheck.Target{Client: c, TaskQueue: queue, Version: version("none")}, replaycheck.Request{})
	require.Error(t, err, "no such version")
}

// Encrypted histories are replayed with the worker's keys, and not without them.
func TestEncryptedHistoriesAreReplayed(t *testing.T) {
	t.Parallel()
	const queue = "replaycheck-encrypted"
	dial := func(keys ...string) *connect.Client {
		cfg := payloads.Config{Key: keys[0], Keys: map[string]payloads.Source{}, LookupEnv: func(name string) (string, bool) {
			return strings.Repeat(name, 32), true // 32 bytes in hexadecimal digits
		}}
		for _, key := range keys {
			cfg.Keys[key] = payloads.Source{Env: key}
		}
		ring, err := payloads.Open(t.Context(), cfg)
		require.NoError(t, err)
		c, err := connect.Dial(t.Context(), connect.Options{Address: localstacktest.Address(t), Change: ring.Secure})
		require.NoError(t, err)
		t.Cleanup(c.Close)
		return c
	}
	c := dial("aa")
	stop := work(t, c.Client, queue, talk("one"), worker.Options{})
	id := start(t, c, queue, "Talk", text)
	until(t, c, id, enums.EVENT_TYPE_ACTIVITY_TASK_COMPLETED)
	stop()
	for _, tc := range []struct {
		client *connect.Client
		build  string
		reason string
	}{
		{client: c, build: "one"},
		{client: c, build: "two", reason: "this build does something else"},
		{client: dial("bb", "aa"), build: "one"},
		{client: dial("bb"), build: "one", reason: `key "aa", which is not in the key ring`},
	} {
		checker := replaycheck.Checker{
			Client: tc.client, Namespace: tc.client.Namespace, TaskQueue: queue, Options: tc.client.Replayer, Register: talk(tc.build),
		}
		report := check(t, checker, 1, replaycheck.Request{})
		require.Equal(t, tc.reason == "", report.OK(), "%+v", report)
		require.Equal(t, !strings.HasPrefix(tc.reason, "this build"), report.OnlyKeys(), "%+v", report)
		if tc.reason != "" {
			require.Contains(t, report.Failures[0].Reason, tc.reason)
			require.NotContains(t, report.String()+report.Failures[0].String(), text)
		}
	}
}
