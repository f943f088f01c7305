package browsertest_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/browsertest"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/report"
	"github.com/parley-run/parley/internal/summary"
)

// A report of many conversations opens from a file, without a server and without a
// network, and its transcripts unfold.
func TestReport(t *testing.T) {
	t.Parallel()
	r := report.New("Support, nightly", []string{"simulation sim_1"}, summary.DefaultRules(), time.Now())
	for i := range 1000 {
		record := records.Record{
			Conversation: records.Conversation{
				ID: fmt.Sprintf("main/pr_1/cv_%d", i), Persona: fmt.Sprintf("Persona %d", i%10), Status: "closed", Turns: 2,
				Outcome: conversation.OutcomeEnded, EndedBy: conversation.EndedByPersona, Started: time.Now(), Ended: time.Now(), Seconds: 4,
			},
			Timeline: []records.Turn{{Number: 1, Reply: records.Seconds(1 + float64(i%7)), Exchange: 1}},
			Messages: []records.Message{
				{Role: conversation.RoleUser, Text: "<b>where</b> is my order " + fmt.Sprint(i) + "?"},
				{Role: conversation.RoleAssistant, Text: "On its way.", Index: 1},
			},
		}
		r.Add(record, true)
	}
	r.Finish(summary.Coverage{})
	var out bytes.Buffer
	require.NoError(t, r.HTML(&out))
	file := filepath.Join(t.TempDir(), "report.html")
	require.NoError(t, os.WriteFile(file, out.Bytes(), 0o600))
	p := browsertest.Start(t).Open(t, "file://"+file)
	p.WaitText(t, "body", "Support, nightly")
	p.WaitText(t, "body", "Over all 1000 conversations.")
	require.Positive(t, browsertest.Eval[int](t, p, `document.querySelectorAll("svg").length`), "charts")
	require.False(t, browsertest.Eval[bool](t, p, `[...document.querySelectorAll("details details, details")].at(-1).open`))
	unfolded := browsertest.Eval[string](t, p, `(() => { const d = [...document.querySelectorAll("details")].find(d => d.textContent.includes("is my order 0?")); d.open = true; return d.innerText; })()`)
	require.Contains(t, unfolded, "<b>where</b> is my order 0?")
	require.Zero(t, browsertest.Eval[int](t, p, `performance.getEntriesByType("resource").length`), "it loads nothing")
	p.RequireNoFaults(t)
}
