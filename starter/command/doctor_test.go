package command

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/conversation/pressure"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/connect"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

func TestFindingText(t *testing.T) {
	t.Parallel()
	require.Equal(t, "✓ Temporal: localhost:7233\n", findingText(finding{Check: "Temporal", State: checkFine, Detail: "localhost:7233"}))
	require.Equal(t, "– workers\n", findingText(finding{Check: "workers", State: checkSkipped}))
	require.Equal(t, "✗ key: wrong\n    → set another\n", findingText(finding{Check: "key", State: checkWrong, Detail: "wrong", Remedy: "set another"}))
}

// A stopped, parked or skipped thing never gets a check mark.
func TestInboxFindings(t *testing.T) {
	t.Parallel()
	polling := string(workflows.InboxPolling)
	for name, test := range map[string]struct {
		in   operate.Inbox
		want checkState
		text string
	}{
		"Fine": {operate.Inbox{State: polling, Open: 3, Limit: 10, Waiting: 2, Parked: 1}, checkFine, "3 of 10 open, 2 waiting, 1 parked"},
		"Reduced": {operate.Inbox{
			State: polling, Open: 7, Limit: 40, Waiting: 2, Reduced: &pressure.Reduction{Limit: 3, Since: noon.Add(-30 * time.Second), Reason: "500 of GET"},
		}, checkSkipped, "open 7 of 3 (limit 40, reduced 30s ago: 500 of GET); 2 waiting\n    → more may be open by itself"},
		"ReducedAndSkipping": {operate.Inbox{
			State: polling, Limit: 40, Reduced: &pressure.Reduction{Limit: 3, Since: noon, Reason: "500"}, Orphans: 7,
		}, checkWrong, "reduced 0s ago: 500); 7 conversations in progress"},
		"Paused":   {operate.Inbox{State: string(workflows.InboxPaused)}, checkSkipped, "is paused"},
		"Absent":   {operate.Inbox{State: operate.InboxAbsent}, checkSkipped, "does not run"},
		"Failing":  {operate.Inbox{State: polling, LastError: "502 from a proxy"}, checkWrong, "502 from a proxy"},
		"Stranded": {operate.Inbox{State: polling, Stranded: 2}, checkWrong, "no worker can run 2 open conversations"},
		"Orphans":  {operate.Inbox{State: polling, Orphans: 7}, checkWrong, "7 conversations in progress that no workflow runs"},
		"Skipped":  {operate.Inbox{State: polling, SkippedCount: 1, Skipped: []activities.Skipped{{ID: "cv1", Reason: "no persona"}}}, checkWrong, "conversation cv1: no persona"},
		"Parked": {operate.Inbox{
			State: string(workflows.InboxNeedsAttention), Attention: &workflows.Attention{Since: noon, Reason: "wrong key", Remedy: "set another"},
		}, checkWrong, "has stopped claiming since 12:00:00: wrong key\n    → set another; it checks about every minute"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.in.Name, test.in.Platform = "support", "main"
			f := inboxFinding(test.in, noon)
			require.Equal(t, test.want, f.State)
			require.Contains(t, findingText(f), test.text)
		})
	}
}

func TestParkedFinding(t *testing.T) {
	t.Parallel()
	require.Equal(t, "✓ conversations: none needs an operator\n", findingText(parkedFinding(records.Parked{})))
	require.Equal(t, "✗ conversations: 30 need an operator (of the newest 20: 2 ambiguous, 17 unauthorized, 1 whose query no worker answers); the newest: wrong key\n"+
		"    → set another; starter list --status needs_attention shows them, starter resume --all resumes them\n",
		findingText(parkedFinding(records.Parked{
			Total: 30, Asked: 20, Unanswered: 1, Newest: &workflows.Attention{Reason: "wrong key", Remedy: "set another"},
			Kinds: map[conversation.Kind]int{conversation.Unauthorized: 17, conversation.Ambiguous: 2},
		})))
}

func TestRetryingFinding(t *testing.T) {
	t.Parallel()
	require.Equal(t, "✓ steps: none is retrying\n", findingText(retryingFinding(records.Page{})))
	f := retryingFinding(records.Page{
		Conversations: []records.Conversation{{ID: "a/b/c", Retrying: []workflows.Retrying{{Step: "reply", Attempt: 2, Of: 10, Reason: "503"}}}},
		Counts:        records.Counts{Shown: 1, Open: 4},
	})
	require.Equal(t, checkSkipped, f.State)
	require.Contains(t, f.Detail, "of the newest 1 conversations 1 is retrying; the newest: a/b/c: reply, attempt 2 of 10 failed: 503")
}

func TestWrongPutsTheRemedyApart(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err            error
		detail, remedy string
	}{
		"Error":       {&conversation.Error{Op: "onerun: list", Err: errors.New("401 (really)"), Remedy: "set another"}, "onerun: list: 401 (really)", "set another"},
		"Wrapped":     {fmt.Errorf("main: %w", &conversation.Error{Op: "list", Err: errors.New("401"), Remedy: "set another"}), "main: list: 401", "set another"},
		"Temporal":    {&connect.Error{Text: "no server at x: refused", Remedy: "start one"}, "no server at x: refused", "start one"},
		"Parentheses": {errors.New("no server at x (start one)"), "no server at x (start one)", ""},
		"Setting":     {errors.New("the server was not ready within 2s (connect_timeout)"), "the server was not ready within 2s (connect_timeout)", ""},
		"None":        {errors.New("plain"), "plain", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := wrong("x", tt.err)
			require.Equal(t, tt.detail, f.Detail)
			require.Equal(t, tt.remedy, f.Remedy)
			require.Equal(t, checkWrong, f.State)
		})
	}
}

// An agent names tools that its executor does not offer to a model.
func TestExamineUse(t *testing.T) {
	t.Parallel()
	listed := []executors.Listing{{Name: "model", Tools: true}, {Name: "http"}, {Name: "chain", Tools: true}, {Name: "script"}}
	for name, tt := range map[string]struct {
		speakers []string
		tools    []string
		want     checkState // empty: nothing is found
		detail   string
	}{
		"Model":     {[]string{"model"}, []string{"shop"}, "", ""},
		"NoTools":   {[]string{"http"}, nil, "", ""},
		"Own":       {[]string{"http"}, []string{"shop"}, checkWrong, "not offered by http"},
		"AllOwn":    {[]string{"http", "script"}, []string{"shop/find"}, checkWrong, "not offered by http, script"},
		"OneOfTwo":  {[]string{"chain", "model", "http"}, []string{"shop"}, checkSkipped, "not offered by http, if it replies"},
		"Auto":      {[]string{executors.Auto}, []string{"shop"}, checkSkipped, "not offered by http, script, if it replies"},
		"NotListed": {[]string{"elsewhere"}, []string{"shop"}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			agent := config.Agent{Name: "desk", Policy: conversation.Policy{Tools: tt.tools}}
			found := examineUse(listed, []config.Agent{agent}, func(config.Agent) []string { return tt.speakers })
			if tt.want == "" {
				require.Empty(t, found)
				return
			}
			require.Len(t, found, 1)
			require.Equal(t, "tools of agent desk", found[0].Check)
			require.Equal(t, tt.want, found[0].State)
			require.Equal(t, tt.detail, found[0].Detail)
			require.Contains(t, found[0].Remedy, "agents.desk.tools")
		})
	}
}
