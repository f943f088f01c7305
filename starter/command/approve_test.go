package command

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/workflows"
)

// A call is shown whole before it is approved, its digest binds the decision, and who
// decided is recorded with it.
func TestApprove(t *testing.T) {
	t.Parallel()
	gate := rig.NewGate()
	o := newOffice(t, gate, rig.NewToolbox([]string{"refund"}, "refund"))
	o.StartWorker(t)
	long := `{"amount":9007199254740993,"to":"` + strings.Repeat("x", 3000) + `","note":"a\u202eb"}`
	c := o.open("chat", "--id", "tools")
	c.expect("you › ")
	c.enter("my money back" + enter)
	id := "direct/" + o.Name + "/tools"
	call := rig.CallsTools("refund")
	call.Message.Parts[0].ToolCall.Arguments = json.RawMessage(long)
	gate.Asked(t).Answer(t, call)
	c.expect("why not › ")

	listed := o.starter(0, "approve")
	require.Contains(t, listed, id)
	listed = listed[strings.Index(listed, id):] // other tests have calls that wait
	require.Contains(t, listed, `"amount": 9007199254740993`)
	require.Contains(t, listed, strings.Repeat("x", 3000), "nothing is cut")
	require.Contains(t, listed, `a\u202eb`)
	digest := lineOf(t, listed, "digest")
	shown := o.starter(0, "show", id)
	require.Contains(t, shown, digest)
	require.Contains(t, shown, strings.Repeat("x", 3000))

	o.starter(2, "approve", id) // there is no terminal to ask at
	o.starter(1, "approve", id, "--digest", strings.Repeat("0", 32))
	o.starter(1, "approve", id, "--call", "other", "--yes")
	o.starter(2, "approve", id, "--reason", "small")
	require.Equal(t, workflows.StateNeedsApproval, o.Status(t, id).State)

	echoed := o.starter(0, "approve", id, "--digest", digest, "--as", "ada@desk")
	require.Contains(t, echoed, "approving "+id+", as ada@desk")
	require.Contains(t, echoed, digest)
	require.Contains(t, echoed, `"amount": 9007199254740993`)
	gate.Asked(t).Answer(t, executors.Result{Message: conversation.Text(conversation.RoleAssistant, "done")})
	c.expect(o.Name + " › done")
	require.Regexp(t, `UTC, approved by ada@desk\n`, o.starter(0, "show", id))

	// The same from the history alone, after the end.
	require.Contains(t, o.starter(0, "end", id, "--reason", "enough", "--as", "bo"), "ending")
	var record records.Record
	require.NoError(t, json.Unmarshal([]byte(o.starter(0, "show", id, "--output", "json")), &record))
	require.Equal(t, "ended by bo; enough", record.Detail)
	require.Equal(t, records.SourceHistory, record.Source)
	decided := false
	for _, m := range record.Messages {
		for _, p := range m.Parts {
			if p.ToolResult != nil {
				d := p.ToolResult.Decisions[0]
				decided = d.Choice == conversation.ChoiceApproved && d.By == "ada@desk" && d.Digest == digest && !d.At.IsZero()
			}
		}
	}
	require.True(t, decided)
}

// lineOf is the value of a row in a text.
func lineOf(t *testing.T, text, key string) string {
	t.Helper()
	for _, line := range strings.Split(text, "\n") {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), key+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	require.Failf(t, "there is no such row", "%s in %s", key, text)
	return ""
}

// Which call a decision is on.
func TestChooseCall(t *testing.T) {
	t.Parallel()
	one, two := workflows.Approval{CallID: "1", Digest: "d1"}, workflows.Approval{CallID: "2", Digest: "d2"}
	for name, tt := range map[string]struct {
		call, digest string
		waiting      []workflows.Approval
		want         string // the call
		err          string
	}{
		"the only one":             {waiting: []workflows.Approval{one}, want: "1"},
		"which of them":            {waiting: []workflows.Approval{one, two}, err: "2 tool calls wait for approval: name one with --call"},
		"by its id":                {call: "2", waiting: []workflows.Approval{one, two}, want: "2"},
		"by its digest":            {digest: "d2", waiting: []workflows.Approval{one, two}, want: "2"},
		"another digest":           {digest: "d3", waiting: []workflows.Approval{one}, err: "no tool call waits that has the digest d3"},
		"the digest of another":    {call: "1", digest: "d2", waiting: []workflows.Approval{one, two}, err: "no tool call waits that has the digest d2"},
		"an id that does not wait": {call: "3", waiting: []workflows.Approval{one}, err: `no tool call "3" waits`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := decision{ApproveRequest: workflows.ApproveRequest{CallID: tt.call, Digest: tt.digest}}
			got, err := d.choose("c", tt.waiting)
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				require.Equal(t, records.Rejected, records.KindOf(err))
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, got.CallID)
		})
	}
}
