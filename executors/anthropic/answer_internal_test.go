package anthropic

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
)

// FuzzAnswer gives an answer events and whole answers in any order. Whatever they hold,
// what is kept of them is bounded, and can be recorded and sent back.
func FuzzAnswer(f *testing.F) {
	for _, seed := range [][2]string{
		{`{"type":"message_start","message":{"model":"m","usage":{"input_tokens":3}}}`, `{"type":"message_delta","delta":{"stop_reason":"end_turn"}}`},
		{`{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"a","signature":"s"}}`, `{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"x"}}`},
		{`{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"n","input":{}}}`, `{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"a\":1}"}}`},
		{`{"type":"message","content":[{"type":"text","text":"hi"},{"type":"tool_use","id":"t","name":"n","input":"{}"}],"stop_reason":"tool_use"}`, `{"type":"content_block_stop"}`},
		{`{"type":"content_block_start","content_block":{"type":"server_tool_use","input":{}}}`, `{"type":"content_block_delta","delta":{"partial_json":"{"}}`},
	} {
		f.Add([]byte(seed[0]), []byte(seed[1]), uint8(3))
	}
	f.Fuzz(func(t *testing.T, one, two []byte, times uint8) {
		if !json.Valid(one) || !json.Valid(two) {
			return
		}
		e, err := New(Config{ModelConfig: executors.ModelConfig{Model: "m", BaseURL: "http://localhost"}})
		require.NoError(t, err)
		a := answer{}
		for range times {
			a.event("", one)
			a.event("content_block_delta", two)
		}
		kept := 0
		for _, b := range a.blocks.all {
			kept += b.text.Len() + b.signature.Len() + b.input.Len()
		}
		require.LessOrEqual(t, kept, conversation.MaxProviderState+len(one)+len(two))
		for _, n := range []int64{a.Usage.InputTokens, a.Usage.OutputTokens, a.Usage.CachedInputTokens, a.Usage.CacheWriteTokens} {
			require.GreaterOrEqual(t, n, int64(0))
		}
		req := executortest.Request("c1", "Hi")
		req.Tools = []conversation.Tool{{Name: "n"}}
		res, err := e.result(req, &a)
		if err != nil {
			return
		}
		for _, c := range res.Message.ToolCalls() {
			require.True(t, json.Valid(c.Arguments))
		}
		if s := res.Message.State; s != nil {
			require.True(t, json.Valid(s.Data))
			require.LessOrEqual(t, len(s.Data), conversation.MaxProviderState)
		}
		req.Messages = append(req.Messages, res.Message)
		_, messages, _ := e.messages(req)
		body, err := json.Marshal(messages)
		require.NoError(t, err)
		require.True(t, json.Valid(body))
	})
}

// A record of another executor, or one that does not fit its message, is not used.
func TestForeignRecords(t *testing.T) {
	t.Parallel()
	e, err := New(Config{ModelConfig: executors.ModelConfig{Model: "m"}})
	require.NoError(t, err)
	m := conversation.Message{Role: conversation.RoleAssistant, Parts: []conversation.Part{
		{Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{ID: "t1", Name: "find"}},
	}}
	const thought = `{"type":"thinking","thinking":"a","signature":"s"}`
	for name, row := range map[string]struct {
		model, data string
		want        bool
	}{
		"Own":          {"m", `{"blocks":[` + thought + `,{"type":"tool_use"}]}`, true},
		"OtherModel":   {"n", `{"blocks":[` + thought + `,{"type":"tool_use"}]}`, false},
		"OtherForm":    {"m", `{"fields":{"reasoning_content":"a"}}`, false},
		"List":         {"m", `[{"functionCall":null}]`, false},
		"NotJSON":      {"m", `{`, false},
		"NoCall":       {"m", `{"blocks":[` + thought + `]}`, false},
		"TooManyCalls": {"m", `{"blocks":[{"type":"tool_use"},{"type":"tool_use"}]}`, false},
	} {
		m.State = &conversation.ProviderState{Model: row.model, Data: json.RawMessage(row.data)}
		blocks, thoughts := e.recorded(m)
		require.Equal(t, row.want, blocks != nil, name)
		require.Equal(t, row.want, thoughts, name)
	}
}
