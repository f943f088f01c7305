package schedules_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/schedules"
)

func keeper(t *testing.T) *schedules.Keeper {
	t.Helper()
	return &schedules.Keeper{Operator: &operate.Operator{Reader: &records.Reader{
		Client: localstacktest.Client(t), Address: localstacktest.Address(t), Namespace: localstacktest.Shared(t).Namespace, TaskQueue: "nobody",
	}}}
}

// create makes a schedule that never runs: it is paused, and there is no worker.
func create(t *testing.T, k *schedules.Keeper, name string, times schedules.Times) schedules.Schedule {
	t.Helper()
	s, err := k.Create(t.Context(), schedules.Plan{
		Name: name, Agent: "support", Times: times, Task: schedules.Task{Message: "hello"}, Paused: true,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, k.Delete(context.Background(), name)) })
	return s
}

// TestTemporalTakesCron: Temporal accepts what CheckCron accepts, and returns the same
// expression.
func TestTemporalTakesCron(t *testing.T) {
	t.Parallel()
	k := keeper(t)
	for i, expression := range cronGood {
		s := createOnce(t, k, fmt.Sprintf("cron-%d", i), schedules.Times{Cron: []string{expression}})
		require.Len(t, s.When, 1)
		require.Contains(t, s.When[0], "cron ")
		require.NotEmpty(t, s.Next, expression)
	}
}

// TestLargestTask: the largest task can be shown, changed and deleted.
func TestLargestTask(t *testing.T) {
	t.Parallel()
	k := keeper(t)
	plan := schedules.Plan{Name: "large", Agent: "support", Times: schedules.Times{Every: "1d"}, Paused: true}
	// In JSON a "<" takes six bytes.
	plan.Task.Params = `{"text":"` + strings.Repeat("<", (conversation.MaxTask-200)/6) + `"}`
	_, err := k.Create(t.Context(), plan)
	require.NoError(t, err)
	s, err := k.Update(t.Context(), "large", schedules.Change{Note: "still there"})
	require.NoError(t, err)
	require.Equal(t, "still there", s.Note)
	require.NoError(t, k.Delete(t.Context(), "large"))

	plan.Task.Params = `{"text":"` + strings.Repeat("<", conversation.MaxTask/6) + `"}`
	_, err = k.Create(t.Context(), plan)
	require.Equal(t, records.Malformed, records.KindOf(err))
	require.ErrorContains(t, err, "at most 900 are possible (put large data where the agent can fetch it)")
}

// createOnce makes a schedule and removes it.
func createOnce(t *testing.T, k *schedules.Keeper, name string, times schedules.Times) schedules.Schedule {
	t.Helper()
	s, err := k.Create(t.Context(), schedules.Plan{Name: name, Agent: "support", Times: times, Task: schedules.Task{Message: "hello"}, Paused: true})
	require.NoError(t, err, "%v", times)
	require.NoError(t, k.Delete(t.Context(), name))
	return s
}

func TestNextTimes(t *testing.T) {
	t.Parallel()
	k := keeper(t)
	for name, test := range map[string]struct {
		times schedules.Times
		when  string
		check func(at time.Time) bool
	}{
		"cron in a zone": {
			schedules.Times{Cron: []string{"0 9 * * *"}, Zone: "America/New_York"}, "cron 0 9 * * *",
			func(at time.Time) bool { return at.Hour() == 9 && at.Location().String() == "America/New_York" },
		},
		"a weekday": {
			schedules.Times{Every: "weekday at 18:30", Zone: "Europe/Berlin"}, "every weekday at 18:30",
			func(at time.Time) bool {
				return at.Hour() == 18 && at.Minute() == 30 && at.Weekday() != time.Saturday && at.Weekday() != time.Sunday
			},
		},
		"an offset": {
			schedules.Times{Every: "2h", Offset: 10 * time.Minute}, "every 2h, 10m later",
			func(at time.Time) bool { return at.Hour()%2 == 0 && at.Minute() == 10 },
		},
		"once": {
			schedules.Times{At: "2035-07-02 03:04", Zone: "Europe/Berlin"}, "once, Mon 2035-07-02 03:04:00 CEST",
			func(at time.Time) bool { return at.Equal(time.Date(2035, 7, 2, 1, 4, 0, 0, time.UTC)) },
		},
	} {
		s := createOnce(t, k, "next-"+strings.ReplaceAll(name, " ", "-"), test.times)
		require.Equal(t, []string{test.when}, s.When, name)
		require.NotEmpty(t, s.Next, name)
		for _, at := range s.Next {
			require.True(t, test.check(at), "%s: %v", name, at)
		}
	}
}

// TestTwoCrons: a schedule has the times of all its expressions.
func TestTwoCrons(t *testing.T) {
	t.Parallel()
	s := create(t, keeper(t), "two", schedules.Times{Cron: []string{"0 9 * * *", "30 17 * * *"}})
	require.Equal(t, []string{"cron 0 9 * * *", "cron 30 17 * * *"}, s.When)
	require.NotEqual(t, s.Next[0].Hour(), s.Next[1].Hour())
}

// TestMissedMeanwhile: a time that comes while the schedule is being created is not
// lost.
func TestMissedMeanwhile(t *testing.T) {
	t.Parallel()
	k := keeper(t)
	k.Now = func() time.Time { return time.Now().Add(-time.Minute) } // a slow clock, or a slow network
	s, err := k.Create(t.Context(), schedules.Plan{
		Name: "late", Agent: "support", Times: schedules.Times{At: "in 2 seconds"}, Task: schedules.Task{Message: "hello"},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, k.Delete(context.Background(), "late")) })
	rig.Eventually(t, func() bool {
		s, err = k.Show(t.Context(), "late")
		return err == nil && s.Runs == 1
	})
	require.Equal(t, schedules.StatusRunning, s.Recent[0].Status)
	require.NoError(t, k.Operator.Client.TerminateWorkflow(t.Context(), s.Recent[0].ID, "", "test over"))
	s, err = k.Show(t.Context(), "late")
	require.NoError(t, err)
	require.Equal(t, "terminated", s.Recent[0].Status)
	require.True(t, s.Recent[0].NeedsOperator())
}

// TestUpdateKeeps: a field that is not given keeps its value.
func TestUpdateKeeps(t *testing.T) {
	t.Parallel()
	k := keeper(t)
	create(t, k, "kept", schedules.Times{Cron: []string{"0 9 * * *"}, Zone: "Europe/Berlin"})
	retries := 0
	s, err := k.Update(t.Context(), "kept", schedules.Change{
		Times: schedules.Times{Cron: []string{"0 10 * * *"}},
		Task: schedules.Task{
			Params: `{"a": 1}`, Args: `[1, "two"]`, AgentID: "ag", Entrypoint: "run", UserID: "u", Executor: "local",
			Callback: "https://example.com/done", CallbackTimeout: time.Second, CallbackRetries: &retries, Timeout: time.Minute,
		},
		Rules: schedules.Rules{Overlap: schedules.CancelOther, CatchUp: time.Hour, Times: 3},
	})
	require.NoError(t, err)
	require.Equal(t, "Europe/Berlin", s.Zone)
	require.Equal(t, []string{"cron 0 10 * * *"}, s.When)
	require.Equal(t, 10, s.Next[0].Hour())
	require.True(t, s.Paused)
	require.Equal(t, schedules.CancelOther, s.Overlap)
	require.Equal(t, time.Hour, s.CatchUp)
	require.Equal(t, 3, *s.Remaining)
	require.Equal(t, "auto", s.Executor)
	require.JSONEq(t, `{"message": "hello", "params": {"a": 1}, "args": [1, "two"], "agent_id": "ag", "entrypoint_tag": "run", "user_id": "u", "executor_type": "local"}`, string(s.Task.Payload))
	require.Equal(t, &conversation.Callback{URL: "https://example.com/done", Timeout: time.Second, Retries: &retries}, s.Task.Callback)
	require.Equal(t, time.Minute, s.Task.Timeout)
	require.Equal(t, schedules.TaskType, s.Task.Type)

	_, err = k.Update(t.Context(), "kept", schedules.Change{Agent: "another"})
	require.ErrorContains(t, err, `it belongs to agent "support"`)
	s, err = k.Update(t.Context(), "kept", schedules.Change{Agent: "support", Policy: conversation.Policy{Executor: "small"}})
	require.NoError(t, err)
	require.Equal(t, "small", s.Executor)
}

// TestOthersSchedules: schedules of other programs are left alone.
func TestOthersSchedules(t *testing.T) {
	t.Parallel()
	k := keeper(t)
	handle, err := k.Operator.Client.ScheduleClient().Create(t.Context(), client.ScheduleOptions{
		ID: "theirs", Action: &client.ScheduleWorkflowAction{ID: "theirs", Workflow: "Backup", TaskQueue: "theirs"}, Paused: true,
	})
	require.NoError(t, err)
	require.ErrorContains(t, k.Delete(t.Context(), "theirs"), "Parley did not create it")
	_, err = k.Run(t.Context(), "theirs")
	require.Equal(t, records.NotFound, records.KindOf(err))
	listed, more, err := k.List(t.Context(), "", 0)
	require.NoError(t, err)
	require.False(t, more)
	for _, s := range listed {
		require.NotEqual(t, "theirs", s.Name)
	}
	require.NoError(t, handle.Delete(t.Context()))
}
