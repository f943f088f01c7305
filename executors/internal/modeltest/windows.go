package modeltest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
)

const (
	omitted = "(earlier messages were left out)"
	newest  = "and the newest?"
)

// A Turn is one message of a request: the vendor's role, and its JSON.
type Turn struct{ Role, Body string }

// RunWindows tests what a request has of a conversation that max_history_messages, keep,
// bounds. ask has an executor reply to the request, and returns the messages that its
// server received, without the instructions.
func RunWindows(t *testing.T, ask func(t *testing.T, keep int, req executors.Request) []Turn) {
	t.Helper()
	look := conversation.Message{Role: conversation.RoleAssistant, Parts: []conversation.Part{Call("t1", "find", `{}`)}}
	found := conversation.ToolResultMessage(conversation.ToolResult{CallID: "t1", Content: "found"})
	u, a := User, Agent
	for name, messages := range map[string][]conversation.Message{
		"the user opens":            {u("1"), a("2"), u("3"), a("4"), u("5"), a("6"), u(newest)},
		"the agent opens":           {a("1"), u("2"), a("3"), u("4"), a("5"), u(newest)},
		"two of the user in a row":  {u("1"), a("2"), u("3"), u("4"), a("5"), u(newest)},
		"the newest are the user's": {u("1"), a("2"), u("3"), a("4"), u("5"), u(newest)},
		"two of the agent in a row": {u("1"), a("2"), a("3"), u("4"), a("5"), u(newest)},
		"tools before":              {u("1"), look, found, a("2"), u("3"), a("4"), u(newest)},
		"tools in the newest turn":  {u("1"), a("2"), u("3"), a("4"), u(newest), look, found},
		"the newest alone":          {u(newest)},
	} {
		for keep := range len(messages) + 1 {
			t.Run(fmt.Sprintf("%s, %d", name, keep), func(t *testing.T) {
				t.Parallel()
				got := ask(t, keep, executors.Request{Turn: 1, Attempt: 1, Messages: messages, New: len(messages), OmittedText: omitted})
				require.NotEmpty(t, got)
				require.Equal(t, "user", got[0].Role, "the user comes first: %v", got)
				var all strings.Builder
				for i, turn := range got {
					all.WriteString(turn.Body + "\n")
					require.False(t, i > 0 && turn.Role == got[i-1].Role && turn.Role != "tool", "roles alternate: %v", got)
				}
				require.Contains(t, all.String(), newest)
				require.Equal(t, !whole(messages, keep), strings.Contains(all.String(), omitted), "%v", got)
				require.Equal(t, strings.Contains(all.String(), `"find"`), strings.Contains(all.String(), "found"), "calls and results stay together: %v", got)
			})
		}
	}
}

// whole reports that nothing needs to be left out.
func whole(messages []conversation.Message, keep int) bool {
	return keep == 0 || keep >= len(messages) || len(messages) == 1
}
