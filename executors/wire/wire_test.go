package wire_test

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/wire"
	"github.com/parley-run/parley/internal/httpclient"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func asIs(s string) string { return s }

// What an answer may be, and what that means. Frames are separated by line
// breaks; the last one is judged.
func TestAnswers(t *testing.T) {
	t.Parallel()
	const (
		down    = conversation.Unavailable
		refused = conversation.Refused
		invalid = conversation.Invalid
	)
	for name, c := range map[string]struct {
		frames string
		want   conversation.Kind // empty: an answer
		text   string            // the reply's, or part of the error's
	}{
		"Text":               {`{"message": "Hello"}`, "", "Hello"},
		"Object":             {`{"message": {"text": "Hello"}}`, "", "Hello"},
		"Parts":              {`{"message": {"role": "assistant", "parts": [{"type":"text","text":"a"},{"type":"data","data":{}},{"type":"text","text":"b"}]}}`, "", "a\n\nb"},
		"Deltas":             {`{"delta": "Hel"}` + "\n" + `{"delta": "lo"}` + "\n" + `{"finish_reason": "stop"}`, "", "Hello"},
		"DeltasAndMessage":   {`{"delta": "Hel"}` + "\n" + `{"message": "Hello"}`, "", "Hello"},
		"DeltasDoNotAddUp":   {`{"delta": "Hex"}` + "\n" + `{"message": "Hello"}`, invalid, "do not add up"},
		"EndWithWords":       {`{"message": "Bye", "end": true}`, "", "Bye"},
		"EndWithout":         {`{"end": true}`, "", ""},
		"ToolCall":           {`{"message": {"parts": [{"type":"tool_call","tool_call":{"id":"1","name":"f"}}]}}`, "", ""},
		"Empty":              {`{"message": ""}`, down, "the answer is empty"},
		"Blank":              {`{"message": " \n"}`, down, "the answer is empty"},
		"EmptyDelta":         {`{"delta": ""}` + "\n" + `{"end": false}`, down, "the answer is empty"},
		"ForeignWords":       {`{"output": "Hello"}`, invalid, "it has none of message, delta, end and error"},
		"NotEvenObject":      {`"Hello"`, invalid, "not a JSON object"},
		"NoJSON":             {`{"message": Hello}`, invalid, "not a JSON object"},
		"CutOff":             {`{"message": "Hel`, down, "ended before the answer did"},
		"WrongType":          {`{"message": 12345678}`, invalid, "does not keep to the contract"},
		"WrongTypeInside":    {`{"usage": {"input_tokens": "many"}}`, invalid, "usage.input_tokens is a JSON string"},
		"InvalidUTF8":        {"{\"message\": \"a\xffb\"}", down, "not valid UTF-8"},
		"Filtered":           {`{"message": "Well", "finish_reason": "content_filter"}`, refused, "content filter"},
		"WrongRole":          {`{"message": {"role": "user", "text": "Hi"}}`, invalid, `its role is “user”`},
		"WrongPart":          {`{"message": {"parts": [{"type": "image"}]}}`, invalid, `part 1 is of type “image”`},
		"ToolResult":         {`{"message": {"parts": [{"type": "tool_result"}]}}`, invalid, "only tools give"},
		"NamelessTool":       {`{"message": {"parts": [{"type": "tool_call","tool_call":{}}]}}`, invalid, "no tool_call with a name"},
		"TooLarge":           {`{"message": "` + strings.Repeat("x", 2000) + `"}`, invalid, "larger than allowed (have the agent answer with less"},
		"TooLargeDeltas":     {`{"delta": "` + strings.Repeat("x", 900) + `"}` + "\n" + `{"delta": "` + strings.Repeat("x", 900) + `"}`, invalid, "larger than allowed"},
		"TooLargeState":      {`{"message": "Hi", "state": "` + strings.Repeat("x", 5000) + `"}`, invalid, "hand out an id"},
		"TooLargeToken":      {`{"attach": "` + strings.Repeat("x", 5000) + `"}`, invalid, "attach has 5002 bytes"},
		"Error":              {`{"error": {"kind": "Refused", "message": "I'd rather not"}}`, refused, "the agent reports: “I'd rather not”"},
		"ErrorAsText":        {`{"error": "out of order"}`, down, "out of order"},
		"ErrorInSnakeCase":   {`{"error": {"kind": "context_too_long", "message": "m"}}`, conversation.ContextTooLong, "m"},
		"ErrorOfUnknownKind": {`{"error": {"kind": "Claimed", "message": "m"}}`, down, "m"},
		"ErrorIsNone":        {`{"error": null, "message": "Hello"}`, "", "Hello"},
		"ErrorIsEmpty":       {`{"error": "", "message": "Hello"}`, "", "Hello"},
		"ErrorIsFalse":       {`{"error": false, "message": "Hello"}`, "", "Hello"},
		"OddError":           {`{"error": 7}`, down, "7"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var deltas strings.Builder
			a := &wire.Answer{MaxReplyBytes: 1000, OnDelta: func(s string) { deltas.WriteString(s) }}
			res, err := judge(a, c.frames)
			if c.want == "" {
				require.NoError(t, err)
				require.Equal(t, c.text, res.Message.Text())
				if deltas.Len() > 0 {
					require.Equal(t, c.text, deltas.String())
				}
				return
			}
			var said *wire.Error
			f := wire.Failure{Op: "test", Clean: asIs}
			ce := f.Broken(err)
			if errors.As(err, &said) {
				ce = f.Reported(said, 0, 0)
			}
			require.Equal(t, c.want, ce.Kind, "%v", ce)
			require.ErrorContains(t, ce, c.text)
		})
	}
}

func judge(a *wire.Answer, frames string) (executors.Result, error) {
	for line := range strings.Lines(frames) {
		f, err := wire.ParseFrame([]byte(line))
		if err == nil {
			err = a.Add(f)
		}
		if err != nil {
			return executors.Result{}, err
		}
	}
	return a.Result()
}

func TestAnswerSaysWhoAndWhat(t *testing.T) {
	t.Parallel()
	var tokens []string
	a := &wire.Answer{MaxReplyBytes: 1000, Provider: "http", Model: "mine", OnAttach: func(raw json.RawMessage) { tokens = append(tokens, string(raw)) }}
	res, err := judge(a, `{"attach": "run-1", "usage": {"input_tokens": 5}}
{"attach": "run-1", "delta": "Hi", "state": {"old": 1}}
{"message": "Hi", "state": { "thread": 7 }, "usage": {"input_tokens": 10, "output_tokens": -3, "cached_input_tokens": 99, "calls": 3}, "model": "m-1", "finish_reason": "eos", "end": true}`)
	require.NoError(t, err)
	require.Equal(t, executors.Result{
		Message:  conversation.Text(conversation.RoleAssistant, "Hi"),
		State:    json.RawMessage(`{"thread":7}`),
		Usage:    conversation.Usage{InputTokens: 10, CachedInputTokens: 10, Calls: 3},
		Provider: "http", Model: "m-1", FinishReason: executors.FinishStop, End: true,
	}, res)
	require.Equal(t, []string{`"run-1"`}, tokens, "told once")

	a = &wire.Answer{MaxReplyBytes: 1000}
	res, err = judge(a, `{"message": {"parts": [{"type":"tool_call","tool_call":{"id":"1","name":"f"}}]}, "usage": {"calls": 0}}`)
	require.NoError(t, err)
	require.Equal(t, executors.FinishToolCall, res.FinishReason)
	require.Zero(t, res.Usage)
	require.Nil(t, res.State)
}

func TestStatusKinds(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]conversation.Kind{
		0: conversation.Unavailable, 301: conversation.Invalid, 400: conversation.Invalid, 401: conversation.Unauthorized,
		402: conversation.QuotaExhausted, 403: conversation.Unauthorized, 404: conversation.Invalid, 408: conversation.Unavailable,
		409: conversation.Unavailable, 413: conversation.ContextTooLong, 422: conversation.Invalid, 423: conversation.Unavailable,
		425: conversation.Unavailable, 429: conversation.RateLimited, 451: conversation.Refused, 500: conversation.Unavailable,
		503: conversation.Unavailable, 599: conversation.Unavailable,
	} {
		require.Equal(t, want, wire.StatusKind(status, 0), status)
	}
	require.Equal(t, conversation.RateLimited, wire.StatusKind(402, time.Second), "it is temporary")
}

func TestReportedDelay(t *testing.T) {
	t.Parallel()
	f := wire.Failure{Op: "test", Clean: asIs, Remedies: map[conversation.Kind]string{conversation.RateLimited: "wait"}}
	require.Equal(t, 1500*time.Millisecond, f.Reported(&wire.Error{RetryAfter: 1.5}, 429, 0).RetryAfter)
	require.Equal(t, 1500*time.Millisecond, f.Reported(&wire.Error{RetryAfter: 1.5}, 429, time.Second).RetryAfter, "the longer one")
	require.Equal(t, 2*time.Second, f.Reported(&wire.Error{RetryAfter: 1.5}, 429, 2*time.Second).RetryAfter)
	require.Equal(t, time.Hour, f.Reported(&wire.Error{Message: "too many requests, try again in 1 hour"}, 429, 0).RetryAfter)
	require.Equal(t, httpclient.MaxRetryAfter, f.Reported(&wire.Error{RetryAfter: 1e300}, 429, 0).RetryAfter)
	require.Equal(t, "wait", f.Reported(&wire.Error{}, 429, 0).Remedy)
	require.Equal(t, "“ask Jo”", f.Reported(&wire.Error{Remedy: "ask Jo"}, 429, 0).Remedy)
}

func TestLines(t *testing.T) {
	t.Parallel()
	lines := wire.NewLines(strings.NewReader("a\r\n\n"+strings.Repeat("x", 5000)+"\nlast"), 5001)
	var got []string
	for {
		line, err := lines.Next()
		got = append(got, string(line))
		if err != nil {
			require.ErrorIs(t, err, io.EOF)
			break
		}
	}
	require.Equal(t, []string{"a", "", strings.Repeat("x", 5000), "last"}, got)

	_, err := wire.NewLines(strings.NewReader(strings.Repeat("x", 20<<20)), 1<<20).Next()
	require.ErrorIs(t, err, modelcall.ErrTooLarge)
}
