package endtoend_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/openai"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/modelstandin"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/workflows"
)

// What a model may do instead of answering, what Parley makes of it, and what the
// operator gets to see. The model answers the first turn and fails in the second,
// where a reply is tried twice.
func TestModelErrors(t *testing.T) {
	t.Parallel()
	failing := modelstandin.OpenAIError
	whole := func(said string) http.HandlerFunc {
		return modelstandin.Write(http.StatusOK, modelstandin.ChatAnswer(modelstandin.Said{Text: said}))
	}
	streamed := func(events ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			send := modelstandin.Events(w)
			for _, event := range events {
				send(event)
			}
		}
	}
	hello := modelstandin.ChatDelta(map[string]any{"content": "Hello"}, "")
	for name, row := range map[string]struct {
		fails http.HandlerFunc
		once  bool // the second attempt succeeds
		// asked is how often the model is asked in the second turn.
		asked int
		// apart is the least time between these requests.
		apart time.Duration
		kind  conversation.Kind
		// reason and remedy are parts of what the status says while it parks, and
		// Without a reason it goes on.
		reason, remedy string
	}{
		"busy, once": {
			fails: modelstandin.Write(http.StatusTooManyRequests, failing("slow down", "rate_limit_exceeded"), "Retry-After", "3"),
			once:  true, asked: 2, apart: 3 * time.Second,
		},
		"busy": {
			fails: modelstandin.Write(http.StatusTooManyRequests, failing("slow down", "rate_limit_exceeded"), "Retry-After", "2"),
			asked: 2, apart: 2 * time.Second, kind: conversation.RateLimited,
			reason: "429 Too Many Requests, rate_limit_exceeded: “slow down”",
		},
		"closed for ten minutes": {
			fails: modelstandin.Write(http.StatusTooManyRequests, failing("come back later", "rate_limit_exceeded"), "Retry-After", "600"),
			asked: 1, kind: conversation.RateLimited, reason: "come back later",
		},
		"nothing left to spend": {
			fails: modelstandin.Write(http.StatusTooManyRequests, failing("check your plan", "insufficient_quota"), "Retry-After", "1"),
			asked: 1, kind: conversation.QuotaExhausted, reason: "check your plan", remedy: "add credit or raise the limit",
		},
		"500, once": {fails: modelstandin.Write(http.StatusInternalServerError, failing("oops", "server_error")), once: true, asked: 2, apart: time.Second},
		"500": {
			fails: modelstandin.Write(http.StatusInternalServerError, failing("oops", "server_error")),
			asked: 2, apart: time.Second, kind: conversation.Unavailable, reason: "500 Internal Server Error, server_error: “oops”",
		},
		"401": {
			fails: modelstandin.Write(http.StatusUnauthorized, failing("Incorrect API key provided", "invalid_api_key")),
			asked: 1, kind: conversation.Unauthorized, reason: "401 Unauthorized, invalid_api_key", remedy: "check api_key",
		},
		"declined": {
			fails: streamed(modelstandin.ChatDelta(map[string]any{"refusal": "I can't help with that."}, "stop"), "[DONE]"),
			asked: 1, kind: conversation.Refused, reason: "the model declined: “I can't help with that.”",
		},
		"filtered": {
			fails: streamed(hello, modelstandin.ChatDelta(nil, "content_filter"), "[DONE]"),
			asked: 1, kind: conversation.Refused, reason: "a content filter stopped the answer",
		},
		// Once more with less: the newest message alone fits this model.
		"too long": {
			fails: modelstandin.Write(http.StatusBadRequest, failing("maximum context length is 10 tokens", "context_length_exceeded")),
			asked: 2,
		},
		"cut off, once": {fails: streamed(hello), once: true, asked: 2, apart: time.Second},
		"cut off": {
			fails: streamed(hello), asked: 2, apart: time.Second, kind: conversation.Unavailable,
			reason: "the stream ended before the answer did",
		},
		"connection lost": {
			fails: func(w http.ResponseWriter, _ *http.Request) {
				modelstandin.Events(w)(hello)
				panic(http.ErrAbortHandler)
			},
			asked: 2, apart: time.Second, kind: conversation.Unavailable, reason: "unexpected EOF",
		},
		"nothing said": {
			fails: whole(""), asked: 2, apart: time.Second, kind: conversation.Unavailable,
			reason: "the answer is empty",
		},
		"not UTF-8": {
			fails: streamed(strings.Replace(hello, "Hello", "He\xffo", 1)), asked: 2, apart: time.Second, kind: conversation.Unavailable,
			reason: "the answer is not valid UTF-8",
		},
		"20 MB, whole": {
			fails: whole(strings.Repeat("x", 20<<20)), asked: 1, kind: conversation.Invalid,
			reason: "the answer is larger than allowed", remedy: "bound the reply with max_output_tokens",
		},
		"20 MB, streamed": {
			fails: streamed(twentyMegabytes()...), asked: 1, kind: conversation.Invalid,
			reason: "the answer is larger than allowed", remedy: "bound the reply with max_output_tokens",
		},
		"what history has no room for": {
			fails: whole(strings.Repeat("x", 600<<10)), asked: 1, kind: conversation.Invalid,
			reason: "answered with 600 KiB; at most 512 are possible",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var failed, replied atomic.Int32
			model := modelstandin.StartLenient(t, modelstandin.Lenient{Load: true}, modelstandin.Chat{}, func(asked modelstandin.Asked) modelstandin.Said {
				if len(asked.Lines) == 1 || row.once && failed.Load() > 0 {
					return modelstandin.Said{Text: fmt.Sprintf("fine %d", replied.Add(1))}
				}
				failed.Add(1)
				return modelstandin.Said{By: row.fails}
			})
			e, err := openai.New(openai.Config{ModelConfig: executors.ModelConfig{Model: "standin-1", APIKey: "test-key", BaseURL: model.URL + "/v1"}})
			require.NoError(t, err)
			r := rig.New(t, localstacktest.Client(t), rig.Options{
				Sim: sim.Config{Player: rig.Endless{}}, Setup: sim.Setup{Conversations: 1, MaxTurns: 5},
				Executor: e, Policy: conversation.Policy{ReplyAttempts: 2},
			})
			r.StartWorker(t)
			ref := r.Waiting(t)[0].Ref
			id := r.Start(t, ref)
			switch {
			case row.reason != "":
				status := requireState(t, r, id, workflows.StateNeedsAttention)
				require.Equal(t, "turn 2 · reply", status.Attention.Step)
				require.Equal(t, row.kind, status.Attention.Kind)
				require.Contains(t, status.Attention.Reason, row.reason)
				require.Contains(t, status.Attention.Remedy, row.remedy)
				require.Less(t, len(status.Attention.Reason), 700)
			default:
				requireOutcome(t, r, id, "ended by turn limit")
				require.Len(t, texts(t, r, ref), 5)
				r.RequireOnce(t)
			}
			asked := model.Asked()
			require.Len(t, asked, 1+row.asked)
			for i := 2; i < len(asked); i++ {
				require.GreaterOrEqual(t, asked[i].Time.Sub(asked[i-1].Time), row.apart)
			}
		})
	}
}

// twentyMegabytes is a streamed answer of that size.
func twentyMegabytes() []string {
	events := make([]string, 80)
	for i := range events {
		events[i] = modelstandin.ChatDelta(map[string]any{"content": strings.Repeat("x", 1<<18)}, "")
	}
	return events
}
