package gemini

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
)

// FuzzAnswer gives an answer pieces in any order. Whatever they hold, what is kept of
// them is bounded, and can be recorded and sent back.
func FuzzAnswer(f *testing.F) {
	for _, seed := range [][2]string{
		{`{"candidates":[{"content":{"parts":[{"text":"hi","thoughtSignature":"s"}]}}]}`, `{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3}}`},
		{`{"candidates":[{"content":{"parts":[{"functionCall":{"id":"f","name":"n","args":{"a":9007199254740993}}}]},"finishReason":1}]}`, `{"promptFeedback":{"blockReason":"SAFETY"}}`},
		{`{"response":{"candidates":[{"content":{"parts":[{"text":"a","thought":true},{"executableCode":{}}]}}]}}`, `[]`},
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
			a.add(one)
			a.add(two)
		}
		for _, n := range []int64{a.Usage.InputTokens, a.Usage.OutputTokens, a.Usage.CachedInputTokens} {
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
			require.NotNil(t, e.recorded(res.Message))
		}
		req.Messages = append(req.Messages, res.Message)
		_, contents := e.messages(req)
		body, err := json.Marshal(contents)
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
	for name, row := range map[string]struct {
		model, data string
		want        bool
	}{
		"Own":          {"m", `[{"text":"a"},{"functionCall":null,"thoughtSignature":"s"}]`, true},
		"OtherModel":   {"n", `[{"functionCall":null}]`, false},
		"OtherForm":    {"m", `{"blocks":[{"type":"tool_use"}]}`, false},
		"NotJSON":      {"m", `[`, false},
		"NoCall":       {"m", `[{"text":"a"}]`, false},
		"TooManyCalls": {"m", `[{"functionCall":null},{"functionCall":null}]`, false},
	} {
		m.State = &conversation.ProviderState{Model: row.model, Data: json.RawMessage(row.data)}
		require.Equal(t, row.want, e.recorded(m) != nil, name)
	}
}
