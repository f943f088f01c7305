package iiifunction

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/wire"
	"github.com/parley-run/parley/iii"
)

// FuzzAnswer has a function of each dialect return anything, as a result and as an error:
// a reply is bounded and can be recorded, an error has a kind and is short.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"content":"Hello","model":{"model":"m"},"usage":{"input":-1,"cacheRead":1e300},"iterations":2}`, `{"content":"Rate limit exceeded. Retry after 5s","iterations":0}`, `{"message":"Hello","state":[1]}`,
		`"plain text"`, `{"out":"Hello"}`, `{"error":{"message":"no"}}`, `null`, `[]`, `{"content":`, `{"content":"<think>a</think>b"}`, `Error: API error (429): <html>`,
	} {
		f.Add([]byte(seed))
	}
	const limit = 256
	var all []*Executor
	for _, cfg := range []Config{
		{Dialect: DialectAgentOS, AgentID: "a"}, {Dialect: DialectLLM, Model: "m"}, {Function: "f", Dialect: DialectPlain},
		{Function: "f", Dialect: DialectPlain, Response: wire.ResponseMapping{Text: "out", Error: "error", Model: "model", State: "state"}},
	} {
		cfg.MaxReplyBytes = limit
		e, err := New(cfg)
		require.NoError(f, err)
		all = append(all, e)
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		for _, e := range all {
			bounded(t, e.failed(t.Context(), "f", &iii.Error{Code: string(answer), Message: string(answer), Stacktrace: string(answer)}))
			if !json.Valid(answer) {
				continue // the engine's frame would not be one
			}
			res, err := e.result(answer)
			if err != nil {
				var ce *conversation.Error
				require.True(t, errors.As(err, &ce))
				bounded(t, ce)
				continue
			}
			require.LessOrEqual(t, len(res.Message.Text()), 4*limit+200*len(res.Message.Parts))
			require.LessOrEqual(t, len(res.State), wire.MaxToken)
			_, err = json.Marshal(res)
			require.NoError(t, err)
		}
	})
}

func bounded(t *testing.T, err *conversation.Error) {
	t.Helper()
	require.NotEmpty(t, err.Kind)
	require.LessOrEqual(t, len(err.Error()), 4<<10)
	require.True(t, err.RetryAfter >= 0 && err.Usage == err.Usage.Plausible())
}
