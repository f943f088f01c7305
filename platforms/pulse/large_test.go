package pulse_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/pulsetest"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/pulse"
)

func agentWith(text string) map[string]any {
	return map[string]any{"agent_id": "a-1", "entrypoint_tag": "main", "params": map[string]any{"text": text}}
}

// Any number of tasks of the size that is promised are listed, in a poll and in the
// list: here more than are read of one answer.
func TestManyLargeTasks(t *testing.T) {
	t.Parallel()
	b := setup(t, pulsetest.Config{}, func(c *pulse.Config) {
		c.Types, c.Timeout = []string{pulse.TypeRunAgent}, 5*time.Minute
	})
	text := strings.Repeat("x", 890<<10)
	var earlier string
	for i := range 80 {
		id := b.Add(pulsetest.Schedule{At: noon.Add(-time.Duration(i%2) * time.Second), Payload: agentWith(text)})
		if i == 1 {
			earlier = id
		}
	}
	all := b.assigned(t)
	require.Len(t, all, 80)
	require.Greater(t, b.Requests(pulsetest.OpList), 1, "the list goes on where it broke off")
	for _, a := range all {
		if a.Ref.Simulation != earlier {
			continue
		}
		b.claim(t, a.Ref, "w")
		about, err := b.platform.Context(t.Context(), a.Ref)
		require.NoError(t, err)
		require.NoError(t, about.Task.CheckSize())
		require.Len(t, string(about.Task.Payload), len(text)+len(`{"agent_id":"a-1","entrypoint_tag":"main","params":{"text":""}}`))
	}
}

// A task of a size that nothing can run is listed like the others, claimed, and
// answered: it is ours to say that there will be no result.
func TestTaskThatIsFarTooLarge(t *testing.T) {
	t.Parallel()
	b := setup(t, pulsetest.Config{}, func(c *pulse.Config) { c.Timeout = 5 * time.Minute })
	huge := b.Add(pulsetest.Schedule{
		At: noon.Add(-time.Second), Payload: agentWith(strings.Repeat("x", 20<<20)),
		Metadata: map[string]any{"callback_url": "http://hook.example/results", "note": strings.Repeat("y", 4<<20)},
	})
	small := b.Add(pulsetest.Schedule{At: noon})
	all, err := b.platform.Assigned(t.Context(), "", "a-1")
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Equal(t, huge, all[0].Ref.Simulation)
	require.Equal(t, "run_agent a-1 main", all[0].Persona)
	require.Equal(t, small, all[1].Ref.Simulation)

	ref := all[0].Ref
	receipt := b.claim(t, ref, "w")
	about, err := b.platform.Context(t.Context(), ref)
	require.NoError(t, err)
	fault := about.Task.CheckSize()
	require.Equal(t, conversation.Invalid, conversation.KindOf(fault))
	require.ErrorContains(t, fault, "its metadata.note, payload.params is longer than 3 MiB")
	require.Equal(t, "http://hook.example/results", about.Task.Callback.URL)
	cancelled, err := b.platform.Cancelled(t.Context(), ref, receipt)
	require.NoError(t, err)
	require.False(t, cancelled)
	failed := report(receipt)
	failed.Status, failed.Error = conversation.TaskFailed, fault.Error()
	require.NoError(t, b.platform.Report(t.Context(), ref, failed))
	require.Equal(t, pulse.StatusCompleted, b.status(t, huge))
}

// One task is longer than is read of an answer at all: it is named, and the others run.
func TestTaskThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	var offsets []string
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		row := func(id string) string {
			return fmt.Sprintf(`{"id":"%s","schedule_type":"run_agent","status":"active","next_execution":1000,"payload":{}}`, id)
		}
		switch offset := r.URL.Query().Get("offset"); {
		case r.URL.Query().Get("status") != pulse.StatusActive && !strings.HasSuffix(r.URL.Path, "/poll"):
			_, _ = io.WriteString(w, `{"tasks":[]}`) // whom else there is
		case strings.HasSuffix(r.URL.Path, "/poll"):
			_, _ = io.WriteString(w, `{"tasks":[],"next_poll_at":null}`)
		case offset == "0":
			offsets = append(offsets, offset)
			_, _ = io.WriteString(w, `{"tasks":[`+row("first")+`,{"payload":"`)
			chunk := []byte(strings.Repeat("x", 1<<20))
			for range 66 {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		case offset == "1":
			offsets = append(offsets, offset)
			_, _ = io.WriteString(w, `{"tasks":[{"payload":"`)
			chunk := []byte(strings.Repeat("x", 1<<20))
			for range 66 {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		default:
			offsets = append(offsets, offset)
			_, _ = io.WriteString(w, `{"tasks":[`+row("last")+`],"count":1}`)
		}
	}))
	p := newPlatform(t, pulse.Config{URL: url, Types: []string{"run_agent"}, Timeout: 5 * time.Minute})
	all, err := p.Assigned(t.Context(), "", "")
	require.Len(t, all, 2)
	require.Equal(t, []string{"0", "1", "2"}, offsets)
	rows, rest := platforms.RowErrors(err)
	require.NoError(t, rest)
	require.Len(t, rows, 1)
	require.ErrorContains(t, rows[0], "the task at offset 1 cannot be read: pulse: list tasks: the answer is longer than 64 MiB")
}
