package export_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/export"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/redact"
)

func message(index int, role conversation.Role, text string, parts ...conversation.Part) records.Message {
	return records.Message{Index: index, Role: role, Text: text, Parts: parts}
}

func toolCall(id, name, arguments string) conversation.Part {
	return conversation.Part{Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{ID: id, Name: name, Arguments: json.RawMessage(arguments)}}
}

func toolResult(id, content string) conversation.Part {
	return conversation.Part{Type: conversation.PartToolResult, ToolResult: &conversation.ToolResult{CallID: id, Content: content}}
}

func text(s string) conversation.Part { return conversation.Part{Type: conversation.PartText, Text: s} }

// sample has a turn with two tool calls, and things that no form can express.
func sample() records.Record {
	at := time.Date(2026, 1, 15, 9, 0, 0, 0, time.UTC)
	unsent := message(8, conversation.RoleAssistant, "never sent")
	unsent.Unsent = true
	return records.Record{
		Conversation: records.Conversation{
			ID: "onerun/pr/cv1", Platform: "onerun", Project: "pr", Agent: "support", Persona: "Ann, ann@example.com", Outcome: conversation.OutcomeEnded,
			EndedBy: conversation.EndedByPersona, Turns: 2, Started: at, Ended: at.Add(time.Minute), Models: []string{"model-1"},
		},
		Model: "model-1", Usage: conversation.Usage{InputTokens: 10, OutputTokens: 5},
		Messages: []records.Message{
			message(0, conversation.RoleUser, "I am ann@example.com <b>"),
			message(1, conversation.RoleAssistant, "Looking.", text("Looking."), toolCall("c1", "shop.orders", `{"mail": "ann@example.com", "n": 12345678901234567890}`), toolCall("c2", "weather", "")),
			message(2, conversation.RoleTool, "", toolResult("c1", "one for ann@example.com")),
			message(3, conversation.RoleTool, "", toolResult("c2", "rain")),
			message(4, conversation.RoleAssistant, "It is on its way."),
			message(5, conversation.RoleUser, "Thanks."),
			message(6, conversation.RoleUser, "Bye."),
			message(7, conversation.RoleAssistant, "", toolCall("c3", "weather", "{}")),
			unsent,
		},
	}
}

func write(t *testing.T, format export.Format, change func(*export.Writer), all ...records.Record) (string, *export.Writer) {
	t.Helper()
	var b bytes.Buffer
	w := export.NewWriter(&b, format)
	if change != nil {
		change(w)
	}
	for _, r := range all {
		require.NoError(t, w.Write(r))
	}
	return b.String(), w
}

func TestOpenAI(t *testing.T) {
	t.Parallel()
	got, w := write(t, export.OpenAI, func(w *export.Writer) { w.System = "Be kind." }, sample())
	require.Equal(t, 1, strings.Count(got, "\n"))
	require.JSONEq(t, `{"messages":[
		{"role":"system","content":"Be kind."},
		{"role":"user","content":"I am ann@example.com <b>"},
		{"role":"assistant","content":"Looking.","tool_calls":[
			{"id":"c1","type":"function","function":{"name":"shop_orders","arguments":"{\"mail\":\"ann@example.com\",\"n\":12345678901234567890}"}},
			{"id":"c2","type":"function","function":{"name":"weather","arguments":"{}"}}]},
		{"role":"tool","content":"one for ann@example.com","tool_call_id":"c1"},
		{"role":"tool","content":"rain","tool_call_id":"c2"},
		{"role":"assistant","content":"It is on its way."},
		{"role":"user","content":"Thanks."},
		{"role":"user","content":"Bye."}],
		"metadata":{"id":"onerun/pr/cv1","platform":"onerun","project":"pr","agent":"support","persona":"Ann, ann@example.com","outcome":"ended","ended_by":"persona",
			"models":["model-1"],"started":"2026-01-15T09:00:00Z","ended":"2026-01-15T09:01:00Z","turns":2,"input_tokens":10,"output_tokens":5}}`, got)
	require.Equal(t, []string{
		"messages without text: 1", "replies that did not reach the platform: 1", "tool calls without a result: 1", "tool names that were changed to what is allowed: 1",
	}, w.LeftOut())
}

func TestShareGPT(t *testing.T) {
	t.Parallel()
	got, w := write(t, export.ShareGPT, func(w *export.Writer) { w.Plain = true }, sample())
	require.JSONEq(t, `{"conversations":[
		{"from":"human","value":"I am ann@example.com <b>"},
		{"from":"function_call","value":"[{\"name\":\"shop_orders\",\"arguments\":{\"mail\":\"ann@example.com\",\"n\":12345678901234567890}},{\"name\":\"weather\",\"arguments\":{}}]"},
		{"from":"observation","value":"[\"one for ann@example.com\",\"rain\"]"},
		{"from":"gpt","value":"It is on its way."},
		{"from":"human","value":"Thanks.\n\nBye."}]}`, got)
	require.Contains(t, w.LeftOut(), "texts beside tool calls: 1")
	require.Contains(t, w.LeftOut(), "borders between messages of one side, which were joined: 1")
}

func TestRedacted(t *testing.T) {
	t.Parallel()
	rule, err := redact.Builtin("email")
	require.NoError(t, err)
	for _, format := range export.Formats() {
		r := redact.New([]redact.Rule{rule})
		got, _ := write(t, format, func(w *export.Writer) { w.Redact, w.System = r, "ask ann@example.com" }, sample())
		require.NotContains(t, got, "ann@example.com", format)
		require.Equal(t, "email 5", r.Counts(), format)
	}
}

func TestLeftOutAsAWhole(t *testing.T) {
	t.Parallel()
	gap := sample()
	gap.Messages = gap.Messages[1:]
	got, w := write(t, export.OpenAI, nil, records.Record{Unreadable: "no key"}, gap, records.Record{})
	require.Empty(t, got)
	require.Zero(t, w.Written())
	require.Equal(t, "conversations that could not be read: 1, conversations whose earlier messages Temporal no longer has: 1, conversations without messages: 1", strings.Join(w.LeftOut(), ", "))
}

// What calls and results say cannot break a line.
func TestLines(t *testing.T) {
	t.Parallel()
	r := sample()
	r.Messages[0].Text = "a\nb\u2028\"}\n{"
	got, _ := write(t, export.OpenAI, nil, r, r)
	lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
	require.Len(t, lines, 2)
	for i, line := range lines {
		require.True(t, json.Valid([]byte(line)), fmt.Sprint(i))
	}
}
