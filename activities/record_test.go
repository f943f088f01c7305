package activities_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
)

// TestRecords places the results of one turn with tools in a conversation of five
// messages, two of them internal.
func TestRecords(t *testing.T) {
	t.Parallel()
	call := conversation.Message{Role: conversation.RoleAssistant, Parts: []conversation.Part{
		{Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{ID: "c", Name: "look_up"}},
	}}
	asked, answer, thanks := persona("asked"), conversation.Text(conversation.RoleAssistant, "answer"), persona("thanks")

	in := activities.ReplyInput{Turn: 2, Before: 4, New: []conversation.Message{asked}, Exchanged: true}
	require.Equal(t, conversation.Record{Index: 4, Messages: in.New, Turns: 1}, in.Record())

	out := activities.ReplyResult{Message: call, Calls: []activities.PlannedCall{{CallID: "c"}}}
	out.Place(in)
	require.Equal(t, conversation.Record{Index: 5, Messages: []conversation.Message{call}, Turns: 1}, out.Record(in))

	tool := activities.CallToolInput{Turn: 2, MessageIndex: 6, Call: activities.PlannedCall{CallID: "c"}}
	found := activities.CallToolResult{Content: "found"}
	found.Place(tool)
	result := conversation.ToolResultMessage(conversation.ToolResult{CallID: "c", Content: "found"})
	require.Equal(t, conversation.Record{Index: 6, Messages: []conversation.Message{result}, Turns: 1, Insert: true}, found.Record(tool))

	again := activities.ReplyInput{Turn: 2, Round: 1, Before: 6, New: []conversation.Message{result}, Exchanged: true}
	out = activities.ReplyResult{Message: answer}
	out.Place(again)
	require.Equal(t, conversation.Record{Index: 7, Turns: 1, Pending: &answer}, out.Record(again))
	again.Exchanged = false
	require.Equal(t, conversation.Record{Index: 7, Messages: []conversation.Message{answer}, Turns: 2}, out.Record(again), "recorded is delivered")
	require.Equal(t, conversation.Record{Turns: 2}, activities.ReplyResult{End: true}.Record(again), "a turn without a message")

	exchange := activities.ExchangeInput{Turn: 2, Before: 3, Internal: 4, Messages: []conversation.Message{answer}}
	came := activities.ExchangeResult{Count: 5, Taken: 1, Messages: []conversation.Message{thanks}}
	came.Place(exchange)
	require.Equal(t, conversation.Record{Index: 7, Messages: []conversation.Message{answer, thanks}, Turns: 2}, came.Record(exchange))

	came = activities.ExchangeResult{Count: 4, Taken: 0, Messages: []conversation.Message{thanks}, Ended: true}
	came.Place(exchange)
	require.Equal(t, conversation.Record{Index: 7, Messages: []conversation.Message{thanks}, Turns: 1, Pending: &answer}, came.Record(exchange), "not taken")

	read := activities.ContextResult{Count: 9, Turns: 4, Messages: []conversation.Message{thanks}}
	read.Place()
	require.Equal(t, conversation.Record{Index: 8, Messages: []conversation.Message{thanks}, Turns: 4, Reread: true}, read.Record())
}
