package conversation_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
)

func TestWindow(t *testing.T) {
	t.Parallel()
	u := func(n int) conversation.Message { return conversation.Text(conversation.RoleUser, fmt.Sprint(n)) }
	a := func(n int) conversation.Message { return conversation.Text(conversation.RoleAssistant, fmt.Sprint(n)) }
	call := conversation.Message{Role: conversation.RoleAssistant, Parts: []conversation.Part{
		{Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{ID: "c", Name: "n", Arguments: json.RawMessage(`{}`)}},
	}}
	result := conversation.ToolResultMessage(conversation.ToolResult{CallID: "c", Content: "r"})
	plain := []conversation.Message{u(0), a(1), u(2), a(3), u(4), a(5), u(6)}
	tools := []conversation.Message{u(0), a(1), u(2), call, result, call, result}
	for name, tc := range map[string]struct {
		in    []conversation.Message
		limit int
		want  []conversation.Message
	}{
		"no limit":                      {plain, 0, plain},
		"fits":                          {plain, 7, plain},
		"first and newest":              {plain, 4, []conversation.Message{u(0), u(4), a(5), u(6)}},
		"not in the middle of a turn":   {plain, 3, []conversation.Message{u(0), u(4), a(5), u(6)}},
		"only the last":                 {plain, 1, []conversation.Message{u(0), u(6)}},
		"a call stays with its result":  {tools, 3, []conversation.Message{u(0), u(2), call, result, call, result}},
		"nothing to cut at: keeps more": {tools[2:], 2, tools[2:]},
		"empty":                         {nil, 3, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.want, conversation.Window(tc.in, tc.limit))
		})
	}
}
