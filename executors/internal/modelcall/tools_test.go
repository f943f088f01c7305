package modelcall_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// parse reads messages written as "u" (a user message), "c:a,b" (calls) and
// "r:a" (a result).
func parse(line string) []conversation.Message {
	var out []conversation.Message
	for _, word := range strings.Fields(line) {
		kind, ids, _ := strings.Cut(word, ":")
		switch kind {
		case "c":
			m := conversation.Message{Role: conversation.RoleAssistant}
			for _, id := range strings.Split(ids, ",") {
				m.Parts = append(m.Parts, conversation.Part{Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{ID: id, Name: "f"}})
			}
			out = append(out, m)
		case "r":
			out = append(out, conversation.ToolResultMessage(conversation.ToolResult{CallID: ids, Content: "ok"}))
		default:
			out = append(out, conversation.Text(conversation.RoleUser, kind))
		}
	}
	return out
}

func format(conv []conversation.Message) string {
	var out []string
	for _, m := range conv {
		var ids []string
		kind := m.Text()
		for _, p := range m.Parts {
			switch {
			case p.ToolCall != nil:
				kind, ids = "c:", append(ids, p.ToolCall.ID)
			case p.ToolResult != nil && p.ToolResult.Content == "ok":
				kind, ids = "r:", append(ids, p.ToolResult.CallID)
			case p.ToolResult != nil:
				kind, ids = "r:", append(ids, "!"+p.ToolResult.CallID)
			}
		}
		out = append(out, kind+strings.Join(ids, ","))
	}
	return strings.Join(out, " ")
}

func TestPair(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"u":                     "u",
		"u c:a r:a":             "u c:a r:a",
		"u c:a,b r:b r:a v":     "u c:a,b r:a,b v",
		"u c:a v r:a w":         "u c:a r:a v w",
		"u c:a,b r:b":           "u c:a,b r:!a,b",
		"u c:a v":               "u c:a r:!a v",
		"r:a u":                 "u",
		"u c:a r:a r:a":         "u c:a r:a",
		"u c:a r:a c:a r:a":     "u c:a r:a c:a_2 r:a_2",
		"u c:a c:a r:a":         "u c:a r:!a c:a_2 r:a_2",
		"u c:a,a r:a r:a":       "u c:a,a_2 r:a,a_2",
		"u c:a.1,a:1 r:a.1 r:x": "u c:a_1,a_1_2 r:a_1,!a_1_2",
	} {
		conv := parse(in)
		before, _ := json.Marshal(conv)
		require.Equal(t, want, format(modelcall.Pair(conv, strings.NewReplacer(".", "_", ":", "_").Replace)), in)
		after, _ := json.Marshal(conv)
		require.Equal(t, string(before), string(after), "the messages are the caller's")
	}
}

// A request's window is that of package conversation.
func TestWindow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		n        int
		in, want string
		whole    bool
	}{
		{0, "1 c:a r:a 2", "1 c:a r:a 2", true},
		{3, "1 c:a r:a", "1 c:a r:a", true},
		{1, "1 c:a r:a", "1 c:a r:a", true},
		{1, "1 c:b r:b 2 c:a r:a", "(cut)\n\n2 c:a r:a", false},
		{2, "1 c:b r:b 2 c:a,b r:a r:b c:d r:d", "(cut)\n\n2 c:a,b r:a r:b c:d r:d", false},
	} {
		kept, whole := modelcall.Window(executors.Request{Messages: parse(c.in), OmittedText: "(cut)"}, c.n)
		require.Equal(t, c.want, format(kept), "%d of %s", c.n, c.in)
		require.Equal(t, c.whole, whole, "%d of %s", c.n, c.in)
	}
}

func TestSchema(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": `{"type":"object"}`, "[1]": `{"type":"object"}`, "{": `{"type":"object"}`, "null": `{"type":"object"}`,
		`{"$schema":"s","properties":{"b":{},"a":{}}}`: `{"properties":{"b":{},"a":{}},"type":"object"}`,
	} {
		require.Equal(t, want, string(modelcall.Schema(conversation.Tool{Schema: json.RawMessage(in)})), in)
	}
}
