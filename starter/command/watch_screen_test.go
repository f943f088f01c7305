package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	"charm.land/bubbles/v2/viewport"
	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

// fixedList is a list that changes when the test says so.
type fixedList struct {
	snapshot records.Snapshot
	changed  chan struct{}
	records  map[string]records.Record
	err      error
}

func (l *fixedList) Snapshot() records.Snapshot { return l.snapshot }
func (l *fixedList) Changed() <-chan struct{}   { return l.changed }
func (l *fixedList) Record(_ context.Context, id string) (records.Record, error) {
	return l.records[id], l.err
}

// requests keeps what operators ask for.
type requests struct {
	got []any
	err error
}

func (r *requests) add(req any) (workflows.Status, error) {
	r.got = append(r.got, req)
	return workflows.Status{State: workflows.StateTalking}, r.err
}
func (r *requests) Resume(_ context.Context, _ string, req workflows.ResumeRequest) (workflows.Status, error) {
	return r.add(req)
}
func (r *requests) Pause(_ context.Context, _ string, req workflows.PauseRequest) (workflows.Status, error) {
	return r.add(req)
}
func (r *requests) Takeover(_ context.Context, _ string, req workflows.TakeoverRequest) (workflows.Status, error) {
	return r.add(req)
}
func (r *requests) End(_ context.Context, _ string, req workflows.EndRequest) (workflows.Status, error) {
	return r.add(req)
}
func (r *requests) Approve(_ context.Context, _ string, req workflows.ApproveRequest) (workflows.Status, error) {
	return r.add(req)
}

// bench is a screen in a test.
type bench struct {
	t    *testing.T
	m    *screen
	list *fixedList
	acts *requests
}

// newBench is a screen of that many columns with conversations.
func newBench(t *testing.T, width int, all ...records.Record) *bench {
	t.Helper()
	b := &bench{t: t, list: &fixedList{changed: make(chan struct{}), records: map[string]records.Record{}}, acts: &requests{}}
	b.m = &screen{
		live: b.list, acts: b.acts, by: "anna", detail: viewport.New(),
		bounded: func(ctx context.Context) (context.Context, context.CancelFunc) { return context.WithCancel(ctx) },
	}
	b.m.Update(tea.WindowSizeMsg{Width: width, Height: 40})
	b.put(all...)
	return b
}

// put changes the list.
func (b *bench) put(all ...records.Record) {
	b.list.snapshot = records.Snapshot{At: noon}
	for _, r := range all {
		b.list.snapshot.Conversations = append(b.list.snapshot.Conversations, r.Conversation)
		b.list.records[r.ID] = r
	}
	b.m.snapshot = b.list.Snapshot()
	b.follow(b.m.list())
}

// follow runs a command and gives the screen what comes of it.
func (b *bench) follow(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	if msg := cmd(); msg != nil {
		_, next := b.m.Update(msg)
		b.follow(next)
	}
}

// press presses keys: names as in tea.Key.String, or letters.
func (b *bench) press(keys ...string) {
	for _, key := range keys {
		k := tea.Key{Text: key, Code: []rune(key)[0]}
		for name, code := range map[string]rune{"enter": tea.KeyEnter, "esc": tea.KeyEscape, "down": tea.KeyDown, "up": tea.KeyUp, "tab": tea.KeyTab} {
			if key == name {
				k = tea.Key{Code: code}
			}
		}
		b.follow(b.m.key(tea.KeyPressMsg(k)))
	}
}

func (b *bench) typeText(text string) {
	for _, r := range text {
		b.press(string(r))
	}
}

func (b *bench) shown() string { return ansi.Strip(b.m.View().Content) }

func parkedRecord() records.Record {
	return records.Record{
		Conversation: records.Conversation{
			ID: "main/pr_1/cv_2", Persona: "Grandma", Agent: "support", Status: string(workflows.StateNeedsAttention), Open: true, Started: noon,
		},
		Attention: &workflows.Attention{Reason: "the key is wrong", Remedy: "change OPENAI_API_KEY", Since: noon},
		Messages:  []records.Message{{Role: conversation.RoleUser, Text: "where is my order?"}},
		Timeline: []records.Turn{{Number: 1, Reply: 2.5, Exchange: 1, Waiting: 60, Retries: 2, Retrying: 3, Steps: []records.Step{
			{Kind: records.StepReply, Failure: &records.StepFailure{Kind: conversation.Unauthorized, Reason: "the key is wrong"}},
		}}},
	}
}

func talkingRecord(i int) records.Record {
	return records.Record{Conversation: records.Conversation{
		ID: fmt.Sprintf("main/pr_1/cv_1%02d", i), Persona: fmt.Sprintf("Persona %d", i), Status: string(workflows.StateTalking), Open: true, Started: noon,
	}}
}

// What needs a person is first, and is chosen; the rest follows. The selection stays
// where it is while the list changes.
func TestScreenShowsWhatNeedsAPersonFirst(t *testing.T) {
	t.Parallel()
	for _, width := range []int{80, 200} {
		b := newBench(t, width, talkingRecord(1), parkedRecord(), talkingRecord(2))
		lines := strings.Split(b.shown(), "\n")
		require.Contains(t, lines[0], "3 conversations · 1 needs a person")
		require.Contains(t, lines[2], "needs attention")
		require.Contains(t, lines[2], "Grandma")
		for _, text := range []string{"the key is wrong", "change OPENAI_API_KEY", "2.5s", "1m0s", "2 (3s)", "Unauthorized", "where is my order?"} {
			require.Contains(t, b.shown(), text)
		}
		b.press("down")
		require.Equal(t, "main/pr_1/cv_101", b.m.selected)
		b.put(talkingRecord(0), talkingRecord(1), parkedRecord())
		require.Equal(t, "main/pr_1/cv_101", b.m.selected)
		for _, line := range strings.Split(b.shown(), "\n") {
			require.LessOrEqual(t, ansi.StringWidth(line), width)
		}
		require.LessOrEqual(t, strings.Count(b.shown(), "\n"), 39)
	}
}

// Every act of the page and the commands, in the operator's name.
func TestScreenActs(t *testing.T) {
	t.Parallel()
	b := newBench(t, 200, parkedRecord())
	b.press("r", "p")
	b.press("t")
	b.typeText("it is on its way")
	b.press("enter")
	b.press("e", "n", "e", "y")
	require.Equal(t, []any{
		workflows.ResumeRequest{By: "anna"}, workflows.PauseRequest{By: "anna"},
		workflows.TakeoverRequest{Text: "it is on its way", By: "anna"}, workflows.EndRequest{By: "anna"},
	}, b.acts.got)
	require.Contains(t, b.shown(), "ending main/pr_1/cv_2: talking")

	b.acts.err = errors.New("no worker answered in time")
	b.press("r")
	require.Contains(t, b.shown(), "no worker answered in time")
	b.press("y")
	require.Contains(t, b.shown(), "no tool call of this conversation waits for approval")
}

// A decision on a call carries the digest of what was shown, all arguments included.
func TestScreenDecides(t *testing.T) {
	t.Parallel()
	record := talkingRecord(1)
	record.Status = string(workflows.StateNeedsApproval)
	record.Approvals = []workflows.Approval{{CallID: "c1", Tool: "refund", Arguments: []byte(`{"amount":1200,"to":"anna"}`), Digest: "d1", Until: noon}}
	b := newBench(t, 200, record)
	require.Contains(t, b.shown(), `"amount": 1200`)
	b.press("y")
	require.Contains(t, b.shown(), "approve refund with the arguments that are shown? y/n")
	changed := record
	changed.Approvals = []workflows.Approval{{CallID: "c1", Tool: "refund", Arguments: []byte(`{"amount":9999}`), Digest: "d2", Until: noon}}
	b.put(changed) // meanwhile
	b.press("y")
	b.press("n")
	b.typeText("too much")
	b.press("enter")
	require.Equal(t, []any{
		workflows.ApproveRequest{CallID: "c1", Digest: "d1", By: "anna"},
		workflows.ApproveRequest{CallID: "c1", Digest: "d2", Deny: true, Reason: "too much", By: "anna"},
	}, b.acts.got)
}

func TestScreenSearches(t *testing.T) {
	t.Parallel()
	var all []records.Record
	for i := range 60 {
		all = append(all, talkingRecord(i))
	}
	b := newBench(t, 100, all...)
	b.press("G")
	require.Equal(t, "main/pr_1/cv_159", b.m.selected)
	require.Contains(t, b.shown(), "Persona 59")
	b.press("/")
	b.typeText("persona 7")
	b.press("enter")
	require.Contains(t, b.shown(), `1 of 60 conversations with "persona 7"`)
	require.Equal(t, "main/pr_1/cv_107", b.m.selected)
	b.press("esc")
	require.Contains(t, b.shown(), "60 conversations")
	b.press("?")
	require.Contains(t, b.shown(), "What needs a person comes first")
}

func TestScreenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	b := newBench(t, 100)
	require.Contains(t, b.shown(), "no conversations: they appear here once a worker has some")
	b.press("r", "down", "enter") // of no effect
	b.m.snapshot.Err = errors.New("list: Temporal at 127.0.0.1:7233 does not answer")
	require.Contains(t, b.shown(), "Temporal at 127.0.0.1:7233 does not answer")
	b = newBench(t, 100, talkingRecord(1))
	b.list.err = errors.New("is it encoded by a codec that this command does not have?")
	b.m.record = nil
	b.follow(b.m.read())
	require.Contains(t, b.shown(), "is it encoded by a codec")
	require.Empty(t, b.acts.got)
}

// No text of another party commands the terminal from the screen.
func TestScreenIsSafe(t *testing.T) {
	t.Parallel()
	record := filled[records.Record]()
	record.Started = time.Now()
	b := newBench(t, 200, record)
	b.press("y")
	for _, shown := range []string{b.m.View().Content, b.m.View().WindowTitle} {
		for _, r := range ansi.Strip(shown) {
			require.True(t, r == '\n' || !unicode.IsControl(r) && !unicode.Is(unicode.Bidi_Control, r), "%q", r)
		}
		require.NotContains(t, shown, "\x1b]", "only colours")
		require.NotContains(t, shown, "\x1b[2J")
	}
}
