package conversation_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
)

// Messages are recorded as JSON: the estimate must not be far below it, however much of
// a message is escaped.
func TestRecorded(t *testing.T) {
	t.Parallel()
	text := func(s string) conversation.Message {
		return conversation.Text(conversation.RoleUser, strings.Repeat(s, 1000))
	}
	list := func(s string) json.RawMessage { return json.RawMessage(`["` + strings.Repeat(s, 1000) + `"]`) }
	for name, m := range map[string]conversation.Message{
		"prose":    text("Where is my order? "),
		"markup":   text("<a href='x'>&amp;</a>\n"),
		"quotes":   text(`{"a": "b\\c"}`),
		"controls": text("\x00\x1b\t\r\b\f\x7f"),
		"Unicode":  text("\u2028é☃\u2029\u2027\U0001f600"),
		"data":     {Role: conversation.RoleUser, Parts: []conversation.Part{{Type: conversation.PartData, Data: list(`<b>\n é\"`)}}},
		"a call": {Role: conversation.RoleAssistant, Parts: []conversation.Part{
			{Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{ID: "1", Name: "n", Arguments: list("<>")}},
		}},
		"its result": conversation.ToolResultMessage(conversation.ToolResult{CallID: "1", Content: strings.Repeat("<p>\n", 1000)}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			encoded, err := json.Marshal(m)
			require.NoError(t, err)
			require.InDelta(t, len(encoded), m.RecordedSize(), 200)
		})
	}
}

func TestNewestByWhatIsRecorded(t *testing.T) {
	t.Parallel()
	m := conversation.Text(conversation.RoleUser, strings.Repeat("<", 100))
	many := []conversation.Message{m, m, m, m}
	require.Len(t, conversation.Newest(many, 2*m.RecordedSize()), 2)
	require.Len(t, conversation.Newest(many, 0), 1)
}
