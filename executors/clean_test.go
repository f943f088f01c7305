package executors_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/printable"
)

func call(id, name string) conversation.Part {
	return conversation.Part{Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{ID: id, Name: name}}
}

func TestClean(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("m", 2_500_000)
	given := executors.Result{
		Provider: "open\x1b[2Jai", Model: long, FinishReason: "stop\x07\n",
		Message: conversation.Message{Role: conversation.RoleAssistant, Parts: []conversation.Part{
			{Type: conversation.PartText, Text: "\x1b stays"},
			call("call_2", "find"), call("c\x1b]0;x\x07", "fi\u202end"), call(long, long), call("", "none"),
		}},
	}
	got := executors.Clean(given)
	require.Equal(t, "open�[2Jai", got.Provider)
	require.Len(t, got.Model, printable.MaxName)
	require.Equal(t, executors.FinishReason("stop�"), got.FinishReason)
	require.Equal(t, "\x1b stays", got.Message.Text())
	calls := got.Message.ToolCalls()
	require.Equal(t, []string{"call_2", "call_3", "call_4", ""}, []string{calls[0].ID, calls[1].ID, calls[2].ID, calls[3].ID})
	require.Equal(t, "fi�nd", calls[1].Name)
	require.Len(t, calls[2].Name, printable.MaxName)
	require.Equal(t, "c\x1b]0;x\x07", given.Message.Parts[2].ToolCall.ID, "what was given stays")
	require.Equal(t, got, executors.Clean(got))
}
