package command

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/conversation/pressure"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestSpan(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]time.Duration{
		"0s": -time.Second, "1.3s": 1260 * time.Millisecond, "42s": 42*time.Second + 400*time.Millisecond,
		"5m3s": 5*time.Minute + 3*time.Second, "3h2m": 3*time.Hour + 2*time.Minute + 3*time.Second, "2d2h": 50 * time.Hour,
	} {
		require.Equal(t, want, span(d))
	}
}

func TestClock(t *testing.T) {
	t.Parallel()
	require.Equal(t, "11:00:00", clock(noon.Add(-time.Hour), noon))
	require.Equal(t, "2026-02-28 12:00:00", clock(noon.Add(-24*time.Hour), noon))
	require.Empty(t, clock(time.Time{}, noon))
	require.Equal(t, "5s ago", age(noon.Add(-5*time.Second), noon))
	require.Equal(t, "never", age(time.Time{}, noon))
}

func TestCleanTakesCommandsOfTerminalsOut(t *testing.T) {
	t.Parallel()
	require.Equal(t, "�[2Jred\nand\tgreen�\n", clean("\x1b[2Jred\nand\tgreen\x07\u202e\u2028"))
	require.Equal(t, "one two…", clip("one\n two three", 8))
}

func TestTokens(t *testing.T) {
	t.Parallel()
	require.Empty(t, tokens(conversation.Usage{}))
	require.Equal(t, "10 in (4 cached), 2 out, 1 call", tokens(conversation.Usage{InputTokens: 10, CachedInputTokens: 4, OutputTokens: 2, Calls: 1}))
	require.Equal(t, "10 in (4 cached, 5 written to the cache), 2 out", tokens(conversation.Usage{InputTokens: 10, CachedInputTokens: 4, CacheWriteTokens: 5, OutputTokens: 2}))
	require.Equal(t, "10 in (5 written to the cache), 2 out", tokens(conversation.Usage{InputTokens: 10, CacheWriteTokens: 5, OutputTokens: 2}))
}

func TestListing(t *testing.T) {
	t.Parallel()
	page := records.Page{
		Conversations: []records.Conversation{
			{ID: "onerun/pr1/cv2", Persona: "an impatient customer with a very long description", Status: "needs_attention", Open: true, Turns: 2, Started: noon, Seconds: 61},
			{ID: "onerun/pr1/cv1", Status: "closed", Turns: 5, Outcome: conversation.OutcomeEnded, EndedBy: conversation.EndedByPersona, Started: noon.Add(-24 * time.Hour), Seconds: 3.21},
		},
		Counts: records.Counts{Shown: 2, Total: 12, Open: 3, NeedAttention: 1, Completed: 8, Broken: 1},
	}
	require.Equal(t, strings.Join([]string{
		"CONVERSATION    PERSONA                           STATUS           TURNS  OUTCOME           STARTED              DURATION",
		"onerun/pr1/cv2  an impatient customer with a ve…  needs attention  2                        12:00:00             1m1s",
		"onerun/pr1/cv1                                    closed           5      ended by persona  2026-02-28 12:00:00  3.2s",
		"",
		"2 of 12 conversations: 3 open (1 needs attention), 8 completed, 1 broken",
		"",
	}, "\n"), listing(page, noon))
	require.Equal(t, "no conversations\n", listing(records.Page{}, noon))
	require.Equal(t, "1 conversation: 1 completed", summary(records.Counts{Shown: 1, Total: 1, Completed: 1}))
}

func TestRecordSaysWhenItContinues(t *testing.T) {
	t.Parallel()
	a := &workflows.Attention{Since: noon, Kind: conversation.RateLimited, Reason: "slow down", NextCheck: noon.Add(8 * time.Hour)}
	r := records.Record{Conversation: records.Conversation{Status: "needs_attention"}, Attention: a}
	require.Regexp(t, `continues +20:00:00, by itself`, recordText(r, noon))
	a.Kind = conversation.Ambiguous
	require.Regexp(t, `next check +20:00:00`, recordText(r, noon))
}

func TestRecordText(t *testing.T) {
	t.Parallel()
	r := records.Record{
		Conversation: records.Conversation{
			ID: "onerun/pr1/cv1", Persona: "impatient", Simulation: "sim1", Agent: "ag1", Status: "needs_attention",
			Open: true, Turns: 1, Started: noon.Add(-time.Minute), Seconds: 60,
			Retrying: []workflows.Retrying{{Step: "tell of started", Attempt: 2, Of: 12, Reason: "connection refused", Next: noon.Add(9 * time.Second)}},
		},
		Step: "turn 2 · reply", Executor: "gpt", Model: "small",
		Usage:     conversation.Usage{InputTokens: 10, OutputTokens: 2, Calls: 1},
		Attention: &workflows.Attention{Since: noon, Step: "turn 2 · reply", Reason: "no quota", Remedy: "pay"},
		Messages: []records.Message{
			{Index: 2, Role: conversation.RoleUser, Text: "hello\nthere"},
			{Index: 3, Role: conversation.RoleAssistant, Text: "hi\x1b[31m", Time: noon, Unsent: true},
			{Index: 4, Role: conversation.RoleAssistant, Parts: []conversation.Part{
				{Type: conversation.PartText, Text: "looking"},
				{Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{Name: "find", Arguments: json.RawMessage(`{ "id": 7 }`)}},
				{Type: conversation.PartToolResult, ToolResult: &conversation.ToolResult{Content: "gone", IsError: true}},
				{Type: conversation.PartData, Data: json.RawMessage(`[1, 2]`)},
			}},
		},
	}
	require.Equal(t, `conversation  onerun/pr1/cv1
persona       impatient
simulation    sim1
agent         ag1
status        needs attention · turn 2 · reply
executor      gpt (small)
turns         1
tokens        10 in, 2 out, 1 call
started       11:59:00, for 1m0s
waiting       since 12:00:00, turn 2 · reply: no quota
remedy        pay
choices       resume, take over or end the conversation
retrying      tell of started, attempt 2 of 12 failed: connection refused; the next at 12:00:09 UTC

… 2 messages before this: Temporal no longer has them, the platform does

#3 persona
   hello
   there

#4 agent · 12:00:00 · not sent
   hi�[31m

#5 agent
   looking
   → find({"id":7})
   ← error: gone
   [1,2]
`, recordText(r, noon))
}

func TestTaskRows(t *testing.T) {
	t.Parallel()
	task := conversation.TaskResult{
		TaskID: "t-1", ExecutionID: "e-1", ScheduledFor: noon, Status: conversation.TaskSuccess,
		Result: json.RawMessage(`{"n": 12345678901234567890, "s": "a\u003cb"}`), Acknowledged: true,
	}
	require.Equal(t, [][2]string{
		{"task", "t-1"}, {"execution", "e-1"}, {"due", "12:00:00"}, {"result", "success"},
		{"", `{"n":12345678901234567890,"s":"a<b"}`}, {"acknowledged", "yes"},
	}, taskRows(task, noon))

	// There is no result before the end, nor after a failure.
	task.Result, task.Acknowledged = json.RawMessage("null"), false
	for _, status := range []conversation.TaskStatus{"", conversation.TaskFailed} {
		task.Status = status
		for _, row := range taskRows(task, noon) {
			require.NotEqual(t, "null", row[1])
		}
	}
}

func TestInboxTable(t *testing.T) {
	t.Parallel()
	require.Equal(t, "no inboxes\n", inboxTable(nil, noon))
	require.Equal(t, strings.Join([]string{
		"AGENT    PLATFORM  STATE            OPEN     PARKED  WAITING  STARTED  LAST POLL  EXECUTOR",
		"support  main      needs attention  2 of 10  5       3        7        5s ago     gpt",
		"ag2      main      stopped          0        0       0        0        never",
		"",
		"support: needs attention since 12:00:00: the key is wrong",
		"   remedy: set another",
		"",
		"support: executor small fails since 12:00:00 (3 times): the account is empty",
		"",
		"support: 1 conversation wait for capacity: resumed, or started by hand",
		"",
		"support: no worker can run 2 open conversations: starter list --status stranded",
		"",
		"support: 7 conversations in progress that no workflow runs: set adopt_after, or use starter run --adopt, to adopt them",
		"",
		"support: skipped since 12:00:00: conversation ü: not ASCII",
		"",
		"support: skipped: 3 more",
		"",
		"support: 401 from the platform",
		"",
	}, "\n"), inboxTable([]operate.Inbox{
		{
			Limit: 10, Parked: 5, Queued: 1, Stranded: 2, Orphans: 7,
			Skipped: []activities.Skipped{{ID: "ü", Simulation: "s", Reason: "not ASCII", Since: noon}}, SkippedCount: 4,
			Outages: []workflows.Outage{{
				Source: workflows.OutageSource{Type: workflows.SourceExecutor, Name: "small"}, Since: noon, Count: 3, Reason: "the account is empty",
			}},
			Name: "support", Platform: "main", State: "needs_attention", Open: 2, Waiting: 3, Started: 7, Executor: "gpt",
			LastPoll: noon.Add(-5 * time.Second), LastError: "401 from the platform",
			Attention: &workflows.Attention{Since: noon, Reason: "the key is wrong", Remedy: "set another"},
		},
		{Agent: "ag2", Platform: "main", State: "stopped"},
	}, noon))
	reduced := operate.Inbox{
		Name: "support", Platform: "main", State: "polling", Open: 7, Limit: 40, LastPoll: noon,
		Reduced: &pressure.Reduction{Limit: 3, Since: noon.Add(-30 * time.Second), Reason: "onerun: get conversation: 500"},
	}
	text := inboxTable([]operate.Inbox{reduced}, noon)
	require.Contains(t, text, " 7 of 3 ")
	require.Contains(t, text, "\nsupport: open 7 of 3 (limit 40, reduced 30s ago: onerun: get conversation: 500)\n")
}

func TestExecutorTable(t *testing.T) {
	t.Parallel()
	require.Equal(t, strings.Join([]string{
		"EXECUTOR  TYPE      MODEL  TOOLS  AVAILABLE",
		"gpt       openai    small  yes    no         no key: set OPENAI_API_KEY",
		"scripted  scripted         no     yes        used by auto",
		"",
	}, "\n"), executorTable([]executors.Listing{
		{Name: "gpt", Backend: "openai", Model: "small", Tools: true, Reason: "no key: set OPENAI_API_KEY"},
		{Name: "scripted", Backend: "scripted", Available: true, Auto: true},
	}))
}
