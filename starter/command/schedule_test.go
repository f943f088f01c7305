package command

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/worker"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/callback"
	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/schedules"
	"github.com/parley-run/parley/workflows"
)

// reporter answers with its task, and fails on request. It counts.
type reporter struct {
	mu   sync.Mutex
	told []string
}

func (r *reporter) Execute(_ context.Context, req executors.Request) (executors.Result, error) {
	heard := req.Messages[len(req.Messages)-1].Parts[0]
	text := heard.Text
	if heard.Type == conversation.PartData {
		text = string(heard.Data)
	}
	r.mu.Lock()
	r.told = append(r.told, text)
	r.mu.Unlock()
	if text == "fail" {
		return executors.Result{}, &conversation.Error{Kind: conversation.Invalid, Op: "report", Remedy: "ask for something else"}
	}
	return executors.Result{Message: conversation.Message{
		Role: conversation.RoleAssistant, Parts: []conversation.Part{{Type: conversation.PartText, Text: "done: " + text}},
	}}, nil
}

func (r *reporter) times() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.told)
}

// newDiary is a house with a worker that sends callbacks to this machine.
func newDiary(t *testing.T) (*house, *reporter) {
	t.Helper()
	agent := &reporter{}
	h := newHouse(t, 1, agent)
	sender, err := callback.New(callback.Config{AllowPrivate: []string{"all"}})
	require.NoError(t, err)
	a, err := activities.NewConversation(activities.Config{
		Platforms: h.Platforms(), Executors: h.Executors(), Callbacks: sender, Heartbeats: h.Client,
		Transcripts: launch.Runs{Launcher: h.Launcher},
	})
	require.NoError(t, err)
	w := worker.New(h.Client, h.TaskQueue, worker.Options{MaxHeartbeatThrottleInterval: time.Second})
	workflows.Register(w)
	a.Register(w)
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	return h, agent
}

// schedule makes a schedule that the test's end deletes.
func (h *house) schedule(name string, args ...string) schedules.Schedule {
	h.t.Helper()
	var made schedules.Schedule
	h.json(&made, 0, append([]string{"schedule", "create", name, "--agent", "support"}, args...)...)
	h.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = h.Client.ScheduleClient().GetHandle(ctx, name).Delete(ctx) // it may have been deleted
	})
	return made
}

func (h *house) shown(name string) schedules.Schedule {
	h.t.Helper()
	var sc schedules.Schedule
	h.json(&sc, 0, "schedule", "show", name)
	return sc
}

// succeeded waits for so many runs that have ended well.
func (h *house) succeeded(name string, n int) []schedules.Run {
	h.t.Helper()
	var runs []schedules.Run
	rig.Eventually(h.t, func() bool {
		runs = nil
		for _, r := range h.shown(name).Recent {
			if r.Status == string(conversation.TaskSuccess) {
				runs = append(runs, r)
			}
		}
		return len(runs) >= n
	})
	return runs
}

// fails runs the command and returns its error.
func (h *house) fails(code int, args ...string) string {
	h.t.Helper()
	var stdout, stderr bytes.Buffer
	require.Equal(h.t, code, run(h.t.Context(), args, h.environ, strings.NewReader(h.stdin), &stdout, &stderr), "%s%s", &stdout, &stderr)
	return stderr.String()
}

func TestScheduleEverySecond(t *testing.T) {
	t.Parallel()
	h, agent := newDiary(t)
	made := h.schedule("tick", "--every", "1s", "--overlap", "allow", "--message", "tick", "--user-id", "u1", "--note", "a test")
	require.Equal(t, []string{"every 1s"}, made.When)
	require.Equal(t, schedules.Allow, made.Overlap)
	require.Len(t, made.Next, 5)

	runs := h.succeeded("tick", 2)
	require.NotEqual(t, runs[0].ID, runs[1].ID)
	require.NotEqual(t, runs[0].Result.ExecutionID, runs[1].Result.ExecutionID)
	for _, r := range runs {
		require.True(t, strings.HasPrefix(r.ID, "schedule/support/tick-20"), r.ID)
		require.JSONEq(t, `"done: tick"`, string(r.Result.Result))
		require.Equal(t, "tick", r.Result.TaskID)
		require.True(t, r.Due.Equal(r.Result.ScheduledFor), "%v, %v", r.Due, r.Result.ScheduledFor)
		require.False(t, r.Result.Started.Before(r.Due))
	}
	require.Contains(t, h.starter(0, "show", runs[0].ID), "done: tick")

	// Paused, none comes any more.
	require.Equal(t, "paused tick\n", h.starter(0, "schedule", "pause", "tick", "--note", "looking"))
	rig.Eventually(t, func() bool { return len(h.runningRuns("tick")) == 0 })
	held := h.shown("tick")
	require.True(t, held.Paused)
	require.Equal(t, "looking", held.Note)
	require.Contains(t, h.starter(0, "schedule", "show", "tick"), "if it were not paused")
	before := agent.times()

	// Run now works all the same, once.
	require.Equal(t, "\"done: tick\"\n", h.starter(0, "schedule", "run", "tick", "--wait"))
	require.Equal(t, before+1, agent.times())
	id := strings.TrimSpace(h.starter(0, "schedule", "run", "tick"))
	require.True(t, strings.HasPrefix(id, "schedule/support/tick-"), id)

	require.Equal(t, "resumed tick\n", h.starter(0, "schedule", "resume", "tick"))
	rig.Eventually(t, func() bool { return agent.times() > before+3 })

	var listed struct {
		Schedules []schedules.Schedule `json:"schedules"`
	}
	rig.Eventually(t, func() bool {
		h.json(&listed, 0, "schedule", "list", "--agent", "support")
		for _, sc := range listed.Schedules {
			if sc.Name == "tick" && len(sc.Recent) == 1 && sc.Runs > 2 {
				return true
			}
		}
		return false
	})
	require.Contains(t, h.starter(0, "schedule", "list"), "every 1s")

	h.fails(2, "schedule", "delete", "tick") // no terminal to ask at
	require.Equal(t, "deleted tick\n", h.starter(0, "schedule", "delete", "tick", "--yes"))
	h.fails(4, "schedule", "show", "tick")
}

// runningRuns are those of the newest that have not ended.
func (h *house) runningRuns(name string) []schedules.Run {
	h.t.Helper()
	var running []schedules.Run
	for _, r := range h.shown(name).Recent {
		if r.Status == schedules.StatusRunning {
			running = append(running, r)
		}
	}
	return running
}

func TestScheduleOnce(t *testing.T) {
	t.Parallel()
	h, agent := newDiary(t)
	for _, at := range []string{"in 2 seconds", "now"} {
		name := strings.ReplaceAll(at, " ", "-")
		before := agent.times()
		made := h.schedule(name, "--at", at, "--params", `{"city": "Oslo"}`)
		require.Len(t, made.When, 1)
		require.Contains(t, made.When[0], "once, ")
		runs := h.succeeded(name, 1)
		require.JSONEq(t, `"done: {\"city\":\"Oslo\"}"`, string(runs[0].Result.Result))
		require.Equal(t, before+1, agent.times())
		after := h.shown(name)
		require.True(t, after.Done())
		require.Equal(t, 1, after.Runs)
		require.Contains(t, h.starter(0, "schedule", "show", name), "no more")
	}
}

// TestScheduleTimes: a limit ends the runs.
func TestScheduleTimes(t *testing.T) {
	t.Parallel()
	h, agent := newDiary(t)
	h.schedule("twice", "--every", "1s", "--times", "2", "--message", "again", "--overlap", "buffer-one")
	h.succeeded("twice", 2)
	after := h.shown("twice")
	require.True(t, after.Done())
	require.Zero(t, *after.Remaining)
	require.Equal(t, 2, agent.times())

	// New times make it run again.
	var updated schedules.Schedule
	h.json(&updated, 0, "schedule", "update", "twice", "--at", "in 2 seconds", "--message", "once more", "--note", "changed")
	require.Equal(t, "changed", updated.Note)
	require.Equal(t, schedules.BufferOne, updated.Overlap)
	require.JSONEq(t, `{"message": "once more"}`, string(updated.Task.Payload))
	require.JSONEq(t, `"done: once more"`, string(h.succeeded("twice", 3)[0].Result.Result))
	require.Contains(t, h.fails(2, "schedule", "update", "twice"), "there is no change")
	require.Contains(t, h.fails(2, "schedule", "update", "twice", "--at", "now"), "starter schedule run twice")
}

func TestScheduleBackfill(t *testing.T) {
	t.Parallel()
	h, agent := newDiary(t)
	h.schedule("fives", "--cron", "*/5 * * * *", "--paused", "--message", "count")
	hour := time.Now().UTC().Truncate(time.Hour).Add(-2 * time.Hour)
	from, to := hour.Add(time.Minute).Format(time.RFC3339), hour.Add(time.Hour).Format(time.RFC3339)
	var filled struct {
		Times []time.Time `json:"times"`
	}
	h.json(&filled, 0, "schedule", "backfill", "fives", "--from", from, "--to", to)
	require.Len(t, filled.Times, 12)
	require.True(t, filled.Times[0].Equal(hour.Add(5*time.Minute)))
	rig.Eventually(t, func() bool { return agent.times() == 12 })
	runs := h.succeeded("fives", 10) // as many as Temporal remembers
	due := make(map[int64]bool)
	for _, r := range runs {
		due[r.Result.ScheduledFor.Unix()] = true
	}
	require.Len(t, due, 10, "each is given its time")
	require.Equal(t, 12, h.shown("fives").Runs)

	require.Contains(t, h.starter(0, "schedule", "backfill", "fives", "--from", hour.Add(time.Minute).Format(time.RFC3339),
		"--to", hour.Add(2*time.Minute).Format(time.RFC3339)), "nothing to run")
	require.Contains(t, h.fails(2, "schedule", "backfill", "fives", "--from", to, "--to", from), "is not before")
	require.Contains(t, h.fails(2, "schedule", "backfill", "fives", "--from", from, "--to", "tomorrow"), "in the future")
}

func TestScheduleCallback(t *testing.T) {
	t.Parallel()
	h, _ := newDiary(t)
	bodies := make(chan map[string]any, 10)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body map[string]any
		if text, err := io.ReadAll(r.Body); err == nil && json.Unmarshal(text, &body) == nil {
			bodies <- body
		}
	}))
	t.Cleanup(server.Close)
	h.schedule("told", "--every", "day at 9am", "--timezone", "Europe/Berlin", "--message", "report", "--callback", server.URL+"/done", "--callback-retries", "1")
	var ran schedules.Run
	h.json(&ran, 0, "schedule", "run", "told", "--wait")
	require.Equal(t, conversation.DeliveryDelivered, ran.Result.Delivery.State)
	body := <-bodies
	require.Equal(t, "told", body["task_id"])
	require.Equal(t, "success", body["status"])
	require.Equal(t, "done: report", body["result"])
	require.Equal(t, ran.Result.ExecutionID, body["execution_id"])

	// A failed run is reported, and its callback too.
	h.starter(0, "schedule", "update", "told", "--message", "fail")
	require.Contains(t, h.fails(3, "schedule", "run", "told", "--wait"), "ask for something else")
	require.Equal(t, "failed", (<-bodies)["status"])
	require.Contains(t, h.starter(0, "schedule", "show", "told"), "every day at 9am")
	var page records.Page
	rig.Eventually(t, func() bool {
		h.json(&page, 0, "list", "--platform", "schedule", "--simulation", "told", "--outcome", "failed")
		return page.Counts.Total == 1
	})
}

func TestScheduleFaults(t *testing.T) {
	t.Parallel()
	h, _ := newDiary(t)
	h.schedule("taken", "--every", "1h", "--message", "hello")
	require.Contains(t, h.fails(1, "schedule", "create", "taken", "--agent", "support", "--every", "1h", "--message", "hello"), "has a schedule of that name")
	require.Contains(t, h.fails(2, "schedule", "create", "x", "--agent", "nobody", "--every", "1h", "--message", "hello"), `no agent "nobody"`)
	require.Contains(t, h.fails(2, "schedule", "create", "x", "--agent", "support", "--every", "1h", "--message", "hello", "--executor-type", "local"), "may not use executor")
	require.Contains(t, h.fails(2, "schedule", "update", "taken", "--jitter", "1s"), "go with new times")
	for _, verb := range []string{"show", "run", "pause", "resume"} {
		require.Contains(t, h.fails(4, "schedule", verb, "missing"), `no schedule "missing"`)
	}
}

// TestScheduleDocs runs the commands of the page on schedules, in their order.
func TestScheduleDocs(t *testing.T) {
	t.Parallel()
	h, _ := newDiary(t)
	page, err := os.ReadFile("../../docs/schedules.md")
	require.NoError(t, err)
	commands := regexp.MustCompile(`(?m)^\s*\$ starter (.+)$`).FindAllStringSubmatch(string(page), -1)
	require.Greater(t, len(commands), 10)
	word := regexp.MustCompile(`"([^"]*)"|'([^']*)'|(\S+)`)
	for _, command := range commands {
		var args []string
		for _, m := range word.FindAllStringSubmatch(command[1], -1) {
			args = append(args, m[1]+m[2]+m[3])
		}
		h.starter(0, args...)
		if args[1] == "create" {
			t.Cleanup(func() {
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				defer cancel()
				_ = h.Client.ScheduleClient().GetHandle(ctx, args[2]).Delete(ctx) // the page may have deleted it
			})
		}
	}
	sync := h.succeeded("sync", 4)
	require.JSONEq(t, `"done: {\"full\":false}"`, string(sync[0].Result.Result))
}
