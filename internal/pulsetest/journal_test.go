package pulsetest_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/pulsetest"
)

// What was answered before the process died is there afterwards, and a restart does to
// the rest what it does in Pulse.
func TestStateFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pulse.jsonl")
	clock := pulsetest.NewClock(noon)
	open := func() *pulsetest.Server {
		s, err := pulsetest.Open(pulsetest.Config{Clock: clock}, path)
		require.NoError(t, err)
		return s
	}
	s := open()
	schedule := func(when string) string {
		status, body := call(t, s, "POST", "/tasks/schedule", `{"schedule_type":"run_agent","payload":{"agent_id":"a"},"when":`+when+`}`)
		require.Equal(t, 200, status, body)
		return field(t, body, "task_id").(string)
	}
	claimed := schedule(`{"type":"once","delay":"0s"}`)
	dropped := schedule(`{"type":"once","delay":"1h"}`)
	again := schedule(`{"type":"recurring","delay":"1h","repeat":{"interval":"1h","times":3}}`)
	cron := schedule(`{"type":"cron","cron":"0 13 * * *"}`)
	status, _ := call(t, s, "POST", "/tasks/"+claimed+"/claim", `{"worker_id":"w"}`)
	require.Equal(t, 200, status)

	// A line that was being written when the process died.
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString(`{"tasks":[{"id":"half`)
	require.NoError(t, err)
	require.NoError(t, f.Close())

	s = open()
	for id, want := range map[string]string{claimed: "processing", dropped: "completed", again: "active", cron: "active"} {
		task, ok := s.Task(id)
		require.True(t, ok)
		require.Equal(t, want, task.Status, id)
	}
	require.Len(t, s.Claims(claimed), 1)
	task, _ := s.Task(cron)
	require.Equal(t, noon.Add(time.Hour), task.Next)
	status, body := call(t, s, "POST", "/tasks/"+claimed+"/ack", `{"worker_id":"w","status":"success","execution_time_ms":5}`)
	require.Equal(t, 200, status, body)

	s = open()
	task, _ = s.Task(claimed)
	require.Equal(t, "completed", task.Status)
	require.Len(t, s.Acks(claimed), 1)
	require.Len(t, s.History(claimed), 1)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(text), `"dropped":["`+dropped+`"]`)
}
