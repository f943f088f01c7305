package command

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/records"
)

// acts runs audit and lists "action by on" in the order of the acts, the oldest first.
func (h *house) acts(args ...string) []string {
	h.t.Helper()
	var found operate.Audit
	h.json(&found, 0, append([]string{"audit"}, args...)...)
	var all []string
	for _, a := range slices.Backward(found.Acts) {
		require.WithinDuration(h.t, time.Now(), a.At, 5*time.Minute)
		all = append(all, fmt.Sprint(a.Action, " ", a.By, " ", a.Subject()))
	}
	return all
}

// What starter does is recorded with who and when, in open and closed workflows, and
// remains when its subject is deleted or erased.
func TestAudit(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 2)
	var ran runDocument
	h.json(&ran, 0, "run", "--agent", "support", "--limit", "1", "--as", "ada")
	id := ran.Conversations[0].ID
	inbox := "inbox/" + h.Name + "/" + h.Seeded.ProjectID + "/" + h.Seeded.AgentID
	h.Sim.SetAPIKey("another") // the conversation stays open
	h.StartWorker(t)
	h.starter(0, "pause", id, "--as", "bert")
	h.starter(0, "inbox", "start", "support", "--as", "cleo")
	h.starter(0, "inbox", "pause", "support", "--as", "dora@desk")
	h.starter(0, "inbox", "stop", "support", "--as", "emil")
	h.starter(0, "end", id, "--reason", "enough", "--as", "bert")
	schedule := h.Name + "-daily"
	h.starter(0, "schedule", "create", schedule, "--agent", "support", "--every", "24h", "--message", "hi", "--as", "fay")
	h.starter(0, "schedule", "pause", schedule, "--as", "fay")
	h.starter(0, "schedule", "delete", schedule, "--yes", "--as", "gus")
	o := &operate.Operator{Reader: &records.Reader{Client: h.Client, TaskQueue: h.TaskQueue}}
	require.NoError(t, o.RecordErasure(t.Context(), records.Conversation{ID: id, Platform: h.Name}, "hal", "1 run"))

	of := func(subject string, acts ...string) (all []string) {
		for _, a := range acts {
			all = append(all, a+" "+subject)
		}
		return all
	}
	conversation := of(id, "run ada", "pause bert", "end bert", "erase hal")
	require.Eventually(t, func() bool { return len(h.acts(id)) == len(conversation) }, time.Minute, 200*time.Millisecond)
	require.Equal(t, conversation, h.acts(id))
	require.Equal(t, of(inbox, "start cleo", "pause dora@desk", "stop emil"), h.acts(inbox))
	require.Equal(t, of("schedule/"+schedule, "create fay", "pause fay", "delete gus"), h.acts("--schedule", schedule))
	all := h.acts("--platform", h.Name)
	require.ElementsMatch(t, slices.Concat(conversation, h.acts(inbox)), all)
	require.Equal(t, []string{"pause dora@desk " + inbox}, h.acts("--platform", h.Name, "--by", "dora", "--action", "pause"))
	require.Empty(t, h.acts("--platform", h.Name, "--until", "1h"))

	// Pages: each act is on one of them.
	var pages []string
	for args := []string{"--platform", h.Name, "--limit", "2"}; ; {
		var page operate.Audit
		h.json(&page, 0, append([]string{"audit"}, args...)...)
		for _, a := range page.Acts {
			pages = append(pages, fmt.Sprint(a.Action, " ", a.By, " ", a.Subject()))
		}
		if page.Next.IsZero() {
			break
		}
		args = append(args[:4:4], "--until", page.Next.Format(time.RFC3339Nano))
	}
	slices.Reverse(pages)
	require.Equal(t, all, pages)
	require.Regexp(t, `(?is)at +action +by +on.*erase +hal +`+id+`.*end +bert.*enough.*of \d+ histories read`, h.starter(0, "audit", id))
	require.Contains(t, h.fails(2, "audit", "--action", "sing"), "unknown action")
}
