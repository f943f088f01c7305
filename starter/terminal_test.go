package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/schedules"
	"github.com/parley-run/parley/tools"
	"github.com/parley-run/parley/workflows"
)

// hostile is what other parties may send in any of their texts.
const hostile = "name\x1b[2J\x1b]0;owned\x07\u009b31m\x9b1m\x7f\b\r\u202egnp\u2066x\x00"

// fill puts the hostile text into every text of a value, however deep.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(hostile)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			if v.Type() == reflect.TypeFor[json.RawMessage]() {
				raw, _ := json.Marshal(map[string]string{hostile: hostile})
				// What JSON need not escape comes as it is.
				v.SetBytes(bytes.ReplaceAll(raw, []byte(`\u202e`), []byte("\u202e")))
			}
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(v.Field(i))
			}
		}
	}
}

func filled[T any]() T {
	var out T
	fill(reflect.ValueOf(&out).Elem())
	return out
}

// No text of another party controls the terminal or deceives its reader, whatever field
// it came in and wherever it is printed.
func TestNothingCommandsTheTerminal(t *testing.T) {
	t.Parallel()
	record, status, approval := filled[records.Record](), filled[workflows.Status](), filled[workflows.Approval]()
	said, schedule, inbox := filled[records.Message](), filled[schedules.Schedule](), filled[operate.Inbox]()
	reply := filled[workflows.SendReply]()
	failure := &conversation.Error{Kind: conversation.Invalid, Op: hostile, Remedy: hostile, Err: errors.New(hostile)}
	coloured := styles{colour: true}
	for name, write := range map[string]func(s *starter) error{
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
			return s.decided("approving", operate.Result{ID: hostile}, approval, hostile)
		},
		"message": func(s *starter) error { s.print("%s", messageText(said, hostile, noon)); return s.line(said) },
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
		"doctor":    func(s *starter) error { s.print("%s", findingText(wrong(hostile, failure))); return nil },
		"schedule":  func(s *starter) error { s.print("%s", scheduleText(schedule, true)); return s.document(schedule) },
		"schedules": func(s *starter) error { s.print("%s", scheduleTable([]schedules.Schedule{schedule})); return nil },
		"reply":     func(s *starter) error { return s.replied(hostile, reply) },
		"error": func(s *starter) error {
			for _, line := range message(failure) {
				s.say("starter: %s", line)
			}
			return nil
		},
		"question": func(s *starter) error { _ = s.confirm(hostile); return nil },
		"plain chat": func(s *starter) error {
			s.print("%s", styles{}.said(said, hostile, 80)+styles{}.question(hostile, approval, noon, 80)+styles{}.attention(status, hostile, noon))
			return nil
		},
		"speech": func(s *starter) error { s.print("%s", speech(hostile, hostile, hostile, 80)); return nil },
		"in colour": func(s *starter) error {
			s.print("%s", strings.NewReplacer("\x1b[1;36m", "", "\x1b[0m", "").Replace(coloured.agent(hostile)))
			return nil
		},
	} {
		for _, output := range []string{outputText, outputJSON} {
			t.Run(name+" "+output, func(t *testing.T) {
				t.Parallel()
				var out, remarks bytes.Buffer
				s := &starter{stdin: strings.NewReader("n\n"), stdout: &out, stderr: &remarks}
				s.flags.output = output
				require.NoError(t, write(s))
				written := out.String() + remarks.String()
				require.NotEmpty(t, written)
				for _, r := range written {
					require.True(t, r == '\n' || r == '\t' || !unicode.IsControl(r) && !unicode.Is(unicode.Bidi_Control, r), "%q in %q", r, written)
				}
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
