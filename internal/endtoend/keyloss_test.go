package endtoend_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	common "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/payloads"
)

// keyed is a client with one key.
func keyed(t *testing.T, name string) client.Client {
	t.Helper()
	ring, err := payloads.Open(t.Context(), payloads.Config{
		Key: name, Keys: map[string]payloads.Source{name: {Env: name}},
		LookupEnv: func(name string) (string, bool) {
			return map[string]string{"k1": "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
				"k2": "1f1e1d1c1b1a191817161514131211100f0e0d0c0b0a09080706050403020100"}[name], true
		},
	})
	require.NoError(t, err)
	stack := localstacktest.Shared(t)
	options := client.Options{HostPort: stack.Address, Namespace: stack.Namespace, Logger: quiet{}}
	ring.Secure(&options)
	c, err := client.Dial(options)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}

// listens returns what it was started with and the signal's word.
func listens(ctx workflow.Context, word string) ([]string, error) {
	words := []string{word}
	if err := errors.Join(
		workflow.SetQueryHandler(ctx, "words", func(string) ([]string, error) { return words, nil }),
		workflow.SetUpdateHandler(ctx, "add", func(_ workflow.Context, word string) error { words = append(words, word); return nil }),
	); err != nil {
		return nil, err
	}
	var said string
	workflow.GetSignalChannel(ctx, "say").Receive(ctx, &said)
	return append(words, said), nil
}

// keyedWorker works with one key until stop.
func keyedWorker(t *testing.T, c client.Client, queue string) (stop func()) {
	t.Helper()
	w := worker.New(c, queue, worker.Options{DeadlockDetectionTimeout: time.Minute})
	w.RegisterWorkflowWithOptions(listens, workflow.RegisterOptions{Name: "listens"})
	require.NoError(t, w.Start())
	return w.Stop
}

// A worker without the key ends no workflow and loses no signal; one that has it goes on.
func TestMissingKeyWaits(t *testing.T) {
	t.Parallel()
	const queue = "key-loss"
	right, wrong := keyed(t, "k1"), keyed(t, "k2")
	ctx, cancel := context.WithTimeout(t.Context(), rig.Patience)
	defer cancel()
	stop := keyedWorker(t, wrong, queue)
	fresh, err := right.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: "key-loss-fresh", TaskQueue: queue}, "listens", "first")
	require.NoError(t, err)
	require.NoError(t, right.SignalWorkflow(ctx, fresh.GetID(), "", "say", "second"))
	failed := false
	for !failed {
		require.NoError(t, ctx.Err())
		events := right.GetWorkflowHistory(ctx, fresh.GetID(), "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for events.HasNext() {
			event, err := events.Next()
			require.NoError(t, err)
			failed = failed || event.GetEventType() == enums.EVENT_TYPE_WORKFLOW_TASK_FAILED
		}
	}
	// Operators see it, without a key too.
	for _, c := range []client.Client{right, wrong} {
		o := &operate.Operator{Reader: &records.Reader{Client: c, Namespace: "default", TaskQueue: queue}}
		var shown records.Conversation
		rig.Eventually(t, func() bool {
			var err error
			shown, err = o.Describe(ctx, fresh.GetID())
			return err == nil && shown.WaitsFor != nil
		}, "status", &shown.Status)
		require.True(t, shown.Open)
		require.Equal(t, records.StatusWaitsForKey, shown.Status)
		require.Equal(t, "k1", shown.WaitsFor.Key)
		require.Contains(t, shown.WaitsFor.Reason, fresh.GetID())
	}
	stop()

	defer keyedWorker(t, right, queue)()
	var words []string
	require.NoError(t, fresh.Get(ctx, &words))
	require.Equal(t, []string{"first", "second"}, words)
}

// Who has other keys gets an error from updates and queries, and disturbs nothing.
func TestCallersWithOtherKeys(t *testing.T) {
	t.Parallel()
	const queue = "other-keys"
	right, wrong := keyed(t, "k1"), keyed(t, "k2")
	ctx, cancel := context.WithTimeout(t.Context(), rig.Patience)
	defer cancel()
	defer keyedWorker(t, right, queue)()
	run, err := right.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: "other-keys", TaskQueue: queue}, "listens", "first")
	require.NoError(t, err)
	update := func(c client.Client) error {
		handle, err := c.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
			WorkflowID: run.GetID(), UpdateName: "add", Args: []any{"more"}, WaitForStage: client.WorkflowUpdateStageCompleted,
		})
		if err != nil {
			return err
		}
		return handle.Get(ctx, nil)
	}
	require.NoError(t, update(right))
	_, err = wrong.QueryWorkflow(ctx, run.GetID(), "", "words", "all")
	require.ErrorContains(t, err, `payload is encrypted with key "k2", which is not in the key ring`)
	var app *temporal.ApplicationError
	require.ErrorAs(t, update(wrong), &app, "the update is rejected, not waited for")
	require.NoError(t, update(right))
	require.NoError(t, right.SignalWorkflow(ctx, run.GetID(), "", "say", "bye"))
	var words []string
	require.NoError(t, run.Get(ctx, &words))
	require.Equal(t, []string{"first", "more", "more", "bye"}, words)

	require.ErrorContains(t, wrong.GetWorkflow(ctx, run.GetID(), "").Get(ctx, &words), `payload is encrypted with key "k1"`)
}

// The runs of a schedule read what was written for the schedule, and nobody else can.
func TestSchedulesAreEncrypted(t *testing.T) {
	t.Parallel()
	const queue = "scheduled-keys"
	right := keyed(t, "k1")
	ctx, cancel := context.WithTimeout(t.Context(), rig.Patience)
	defer cancel()
	defer keyedWorker(t, right, queue)()
	handle, err := right.ScheduleClient().Create(ctx, client.ScheduleOptions{
		ID: "encrypted", TriggerImmediately: true,
		Action: &client.ScheduleWorkflowAction{ID: "encrypted-run", Workflow: "listens", Args: []any{"first"}, TaskQueue: queue},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, handle.Delete(context.WithoutCancel(ctx))) })
	var started []client.ScheduleActionResult
	for len(started) == 0 {
		description, err := handle.Describe(ctx)
		require.NoError(t, err)
		require.Contains(t, description.Schedule.Action.(*client.ScheduleWorkflowAction).Args[0].(*common.Payload).String(), payloads.Encoding)
		started = description.Info.RecentActions
	}
	id := started[0].StartWorkflowResult.WorkflowID
	require.NotEqual(t, "encrypted-run", id)
	require.NoError(t, right.SignalWorkflow(ctx, id, "", "say", "second"))
	var words []string
	require.NoError(t, right.GetWorkflow(ctx, id, "").Get(ctx, &words))
	require.Equal(t, []string{"first", "second"}, words)
}
