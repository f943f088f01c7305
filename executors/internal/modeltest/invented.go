package modeltest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
)

// RunInventedTools tests that a request repeats a call of a tool that does not exist under
// a name that the APIs accept. ask is that of [RunWindows].
func RunInventedTools(t *testing.T, ask func(t *testing.T, keep int, req executors.Request) []Turn) {
	t.Helper()
	for name, want := range map[string]string{
		"find": `"find"`, "functions.no such": `"functions_no_such"`, "größe": `"gr__e"`, "": `"unknown"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			call := conversation.Message{Role: conversation.RoleAssistant, Parts: []conversation.Part{Call("t1", name, `{}`)}}
			result := conversation.ToolResultMessage(conversation.ToolResult{CallID: "t1", Content: "there is none", IsError: true})
			all := ""
			for _, turn := range ask(t, 0, executors.Request{Turn: 1, Attempt: 1, Messages: []conversation.Message{User("Hi"), call, result}, New: 3}) {
				all += turn.Body
			}
			require.Contains(t, all, want)
			require.Contains(t, all, "there is none")
		})
	}
}
