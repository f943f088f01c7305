package activities

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/tools"
)

// A call with arguments that are no object is not made: the model is told what is wrong.
func TestPlanSaysWhatIsWrongWithArguments(t *testing.T) {
	t.Parallel()
	offered := []tools.Offered{{Tool: conversation.Tool{Name: "f"}, Set: "s", Name: "f"}}
	for arguments, fault := range map[string]string{
		"": "", "null": "", "{}": "", `{"a":1}`: "",
		`{"a`:                  "the arguments are not valid JSON",
		`"{\"a\":"`:            "the arguments are not a JSON object: unexpected end of JSON input",
		`"{\"a\":1}{\"a\":2}"`: "invalid character '{' after top-level value",
		`"order 1"`:            "the arguments are not a JSON object: invalid character 'o'",
		`[1]`:                  "the arguments are not a JSON object; call the tool again",
		`[{"a":1},{"a":2}]`:    "the arguments are not a JSON object",
		`true`:                 "the arguments are not a JSON object",
	} {
		m := conversation.Message{Role: conversation.RoleAssistant, Parts: []conversation.Part{{
			Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{ID: "1", Name: "f", Arguments: json.RawMessage(arguments)},
		}}}
		got := plan(m, offered)
		require.Len(t, got, 1)
		if fault == "" {
			require.Empty(t, got[0].Fault, arguments)
			continue
		}
		require.Contains(t, got[0].Fault, fault, arguments)
		require.Nil(t, got[0].Arguments)
	}
}
