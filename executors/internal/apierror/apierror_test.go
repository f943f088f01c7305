package apierror_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/apierror"
)

// A body that came with success and holds no error, or an answer beside one.
func TestNoErrorWithin(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		``, `null`, `[]`, `{}`, `true`, `[DONE]`, `{]`,
		`{"error":null,"choices":[{"message":{"content":"Hi"}}]}`,
		`{"error":"","choices":[{"message":{"content":"Hi"}}]}`,
		`{"error":{},"choices":[{"delta":{"content":"Hi"}}]}`,
		`{"error":false,"choices":[{"delta":{"content":"Hi"}}]}`,
		`{"code":0,"message":"ok","choices":[{"message":{"content":"Hi"}}]}`,
		`{"code":200,"msg":"success","choices":[{"message":{"content":"Hi"}}]}`,
		`{"base_resp":{"status_code":0,"status_msg":"success"},"choices":[{"message":{"content":"Hi"}}]}`,
		`{"choices":[],"usage":{"prompt_tokens":1}}`,
		`{"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}`,
		`{"type":"message_start","message":{"id":"m","type":"message","content":[],"usage":{"input_tokens":1}}}`,
		`{"type":"ping"}`,
		`{"candidates":[{"content":{"parts":[{"text":"Hi"}]}}]}`,
		`{"promptFeedback":{"blockReason":"SAFETY"}}`,
		`{"jsonrpc":"2.0","id":1,"result":{"kind":"message"}}`,
	} {
		_, ok := apierror.Within([]byte(body))
		require.False(t, ok, body)
	}
}

func TestKinds(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]conversation.Kind{
		`{"error":{"message":"insufficient balance (1008)","type":"insufficient_balance_error"}}`:              conversation.QuotaExhausted,
		`{"object":"error","message":"This model's maximum context length is 8192 tokens.","code":400}`:        conversation.ContextTooLong,
		`{"detail":[{"type":"extra_forbidden","loc":["body","seed"],"msg":"Extra inputs are not permitted"}]}`: conversation.Invalid,
	} {
		e, ok := apierror.Read([]byte(body))
		require.True(t, ok)
		require.Equal(t, want, e.Kind(429, 0, apierror.Table{}), body)
	}
}
