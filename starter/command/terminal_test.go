package command

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/export"
	"github.com/parley-run/parley/internal/hostile"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/report"
	"github.com/parley-run/parley/internal/schedules"
	figures "github.com/parley-run/parley/internal/summary"
	"github.com/parley-run/parley/internal/ui"
	"github.com/parley-run/parley/tools"
	"github.com/parley-run/parley/workflows"
)

// name is what other parties may send in any of their texts.
var name = hostile.Text("name")

func filled[T any]() T {
	var out T
	hostile.Fill(&out)
	return out
}

// No text of another party controls the terminal or deceives its reader, whatever field
// it came in and wherever it is printed. A new output of the starter gets a row: text for
// terminals here, other formats in TestNothingIsLive.
func TestNothingCommandsTheTerminal(t *testing.T) {
	t.Parallel()
	record, status, approval := filled[records.Record](), filled[workflows.Status](), filled[workflows.Approval]()
	said, schedule, inbox := filled[records.Message](), filled[schedules.Schedule](), filled[operate.Inbox]()
	reply := filled[workflows.SendReply]()
	failure := &conversation.Error{Kind: conversation.Invalid, Op: name, Remedy: name, Err: errors.New(name)}
	coloured := styles{colour: true}
	for output, write := range map[string]func(s *starter) error{
		"show": func(s *starter) error { s.print("%s", recordText(record, noon)); return s.document(record) },
		"list": func(s *starter) error {
			s.print("%s", listing(records.Page{Conversations: []records.Conversation{record.Conversation}}, noon))
			return s.document(record.Conversation)
		},
		"board": func(s *starter) error { return s.boardLine(record.Conversation) },
		"watch": func(s *starter) error {
			s.say("%s", statusLine(status))
			return s.line(watchLine{Event: "status", Status: &status})
		},
		"approve": func(s *starter) error {
			s.say("%s", callText(approval, noon))
			return s.decided("approving", operate.Result{ID: name}, approval, name)
		},
		"message": func(s *starter) error { s.print("%s", messageText(said, name, noon)); return s.line(said) },
		"inbox": func(s *starter) error {
			s.print("%s", inboxTable([]operate.Inbox{inbox}, noon))
			return s.document(inbox)
		},
		"executors": func(s *starter) error {
			s.print("%s", executorTable([]executors.Listing{filled[executors.Listing]()}))
			return nil
		},
		"tools": func(s *starter) error {
			s.print("%s", toolsTable([]tools.Listing{filled[tools.Listing]()}))
			return nil
		},
		"audit": func(s *starter) error {
			s.print("%s", auditTable(filled[operate.Audit]()))
			return s.document(filled[operate.Audit]())
		},
		"begun": func(s *starter) error {
			all := []begun{filled[begun]()}
			s.sayBegun(all)
			return s.document(all)
		},
		"conversation's page": func(s *starter) error {
			s.print("%s", findingText(examineUI(&operate.Operator{Reader: &records.Reader{UI: "http://127.0.0.1:8233", Namespace: name}})))
			return nil
		},
		"doctor":    func(s *starter) error { s.print("%s", findingText(wrong(name, failure))); return nil },
		"schedule":  func(s *starter) error { s.print("%s", scheduleText(schedule, true)); return s.document(schedule) },
		"schedules": func(s *starter) error { s.print("%s", scheduleTable([]schedules.Schedule{schedule})); return nil },
		"reply":     func(s *starter) error { return s.replied(name, reply) },
		"error": func(s *starter) error {
			for _, line := range message(failure) {
				s.say("starter: %s", line)
			}
			return nil
		},
		"question": func(s *starter) error { _ = s.confirm(name); return nil },
		"plain chat": func(s *starter) error {
			s.print("%s", styles{}.said(said, name, 80)+styles{}.question(name, approval, noon, 80)+styles{}.attention(status, name, noon))
			return nil
		},
		"speech": func(s *starter) error { s.print("%s", speech(clip(name, 20), clip(name, 20), name, 80)); return nil },
		"in colour": func(s *starter) error {
			s.print("%s", strings.NewReplacer("\x1b[1;36m", "", "\x1b[0m", "").Replace(coloured.agent(clip(name, 100))))
			return nil
		},
	} {
		for _, format := range []string{outputText, outputJSON} {
			t.Run(output+" "+format, func(t *testing.T) {
				t.Parallel()
				var out, remarks bytes.Buffer
				s := &starter{stdin: strings.NewReader("n\n"), stdout: &out, stderr: &remarks}
				s.flags.output = format
				require.NoError(t, write(s))
				check := hostile.Terminal
				if output == "reply" && format == outputText { // it is the output
					check = hostile.Verbatim
				}
				check(t, out.String()+remarks.String())
			})
		}
	}
}

// A name cannot add a line that looks like the command's own.
func TestNamesStayOnTheirLine(t *testing.T) {
	t.Parallel()
	forged := "gpt\n✓ temporal: everything is fine"
	record := records.Record{Conversation: records.Conversation{ID: "p/j/c", Agent: forged, Simulation: forged, Started: noon}, Executor: forged, Model: forged, Step: forged}
	for _, text := range []string{
		recordText(record, noon.Add(time.Second)),
		executorTable([]executors.Listing{{Name: forged, Backend: forged, Model: forged, Reason: forged}}),
		inboxTable([]operate.Inbox{{Name: forged, Platform: forged, Executor: forged}}, noon),
		findingText(finding{Check: forged, State: checkWrong, Detail: forged}),
	} {
		for line := range strings.SplitSeq(text, "\n") {
			require.False(t, strings.HasPrefix(line, "✓"), "%s", text)
		}
	}
}

// Documents stay valid whatever their fields say, and show nothing live to their readers.
func TestNothingIsLive(t *testing.T) {
	t.Parallel()
	document := func(v any) string {
		var out bytes.Buffer
		require.NoError(t, (&starter{stdout: &out}).document(v))
		return out.String()
	}
	reported := func(write func(*report.Report, io.Writer) error) func() string {
		return func() string {
			r := report.New(hostile.Text("title"), []string{hostile.Text("scope")}, figures.DefaultRules(), noon)
			r.Add(filled[records.Record](), true)
			r.Evaluate(func(figures.Case) []conversation.Evaluation {
				return []conversation.Evaluation{filled[conversation.Evaluation]()}
			})
			r.EvaluationNote = hostile.Text("note")
			r.Finish(figures.Coverage{})
			r.Compare(r, figures.DefaultTolerance)
			var out bytes.Buffer
			require.NoError(t, write(r, &out))
			return out.String()
		}
	}
	exported := func(f export.Format) func() string {
		return func() string {
			record := filled[records.Record]()
			record.Unreadable = ""
			record.Messages = []records.Message{
				{Role: conversation.RoleUser, Text: hostile.Text("user")},
				{Role: conversation.RoleAssistant, Text: hostile.Text("agent"), Index: 1},
			}
			var out bytes.Buffer
			w := export.NewWriter(&out, f)
			require.NoError(t, w.Write(record))
			require.Equal(t, 1, w.Written(), "%v", w.LeftOut())
			return out.String()
		}
	}
	for name, row := range map[string]struct {
		check func(testing.TB, string)
		write func() string
	}{
		"report HTML":     {hostile.HTML, reported((*report.Report).HTML)},
		"report Markdown": {hostile.Markdown, reported((*report.Report).Markdown)},
		"report JUnit":    {hostile.XML, reported((*report.Report).JUnit)},
		"report JSON":     {hostile.JSON, reported((*report.Report).JSON)},
		"export":          {hostile.JSON, exported(export.DefaultFormat)},
		"export ShareGPT": {hostile.JSON, exported(export.ShareGPT)},
		"show JSON":       {hostile.JSON, func() string { return document(filled[records.Record]()) }},
		"list JSON":       {hostile.JSON, func() string { return document(filled[records.Page]()) }},
		"watch JSON":      {hostile.JSON, func() string { return document(filled[watchLine]()) }},
		"audit JSON":      {hostile.JSON, func() string { return document(filled[operate.Audit]()) }},
		"inbox JSON":      {hostile.JSON, func() string { return document(filled[operate.Inbox]()) }},
		"doctor JSON":     {hostile.JSON, func() string { return document([]finding{filled[finding]()}) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			row.check(t, row.write())
		})
	}
}

// No page of a bundle does what a text in it says.
func TestNothingIsLiveInABundle(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "pages")
	record := filled[records.Record]()
	record.Unreadable = ""
	_, _, err := ui.Bundle{Dir: dir, Where: hostile.Text("where"), Read: func(_ context.Context, use func(records.Record) error) error { return use(record) }}.Write(t.Context())
	require.NoError(t, err)
	pages := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".html" {
			return err
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		// Values of fields and data of the script are what they are. Nothing shows them.
		shown := regexp.MustCompile(` (value|data-[a-z-]+)="[^"]*"`).ReplaceAllString(string(text), "")
		t.Run(filepath.Base(path), func(t *testing.T) { hostile.HTML(t, shown) })
		pages++
		return nil
	}))
	require.GreaterOrEqual(t, pages, 3)
}
