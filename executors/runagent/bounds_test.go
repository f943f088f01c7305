package runagent_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/runagent"
	"github.com/parley-run/parley/internal/runagenttest"
)

// A stream ends, whatever it repeats: the result of a task and a reply have at most
// max_reply_bytes, and what brings nothing is bounded by its number.
func TestStreamTotalsAreBounded(t *testing.T) {
	t.Parallel()
	const tooLarge, flood = "the answer is larger than allowed", "the server sends more than an answer can need"
	for name, c := range map[string]struct {
		chunk        any
		task, spoken string
	}{
		"OneLetter":  {"x", tooLarge, tooLarge},
		"OneDigit":   {1, tooLarge, ""},
		"Nothing":    {nil, tooLarge, ""},
		"EmptyTexts": {"", flood, ""},
		"EmptyLists": {[]int{}, tooLarge, ""},
		"Escapes":    {"\x01", tooLarge, tooLarge},
		"Objects":    {map[string]any{"event": strings.Repeat("x", 20<<10)}, tooLarge, flood},
		"LongPieces": {strings.Repeat("x", 300), tooLarge, tooLarge},
	} {
		endless := runagenttest.Agent{ID: "harbour", Streams: map[string]runagenttest.Stream{
			"chat_stream": func(ctx context.Context, _ runagenttest.Call, send func(any)) error {
				for ctx.Err() == nil {
					send(c.chunk)
				}
				return ctx.Err()
			},
		}}
		for kind, want := range map[string]string{"Task": c.task, "Conversation": c.spoken} {
			if want == "" {
				continue // as another row
			}
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				e := local(t, runagenttest.Start(t, endless), entrypoint("chat_stream"), unvalidated, func(c *runagent.Config) {
					c.MaxReplyBytes, c.Timeout = 1000, time.Minute
				})
				req := task(`{}`)
				if kind == "Conversation" {
					req = executortest.Request("c1", "Hi")
				}
				said := 0
				req.OnDelta = func(text string) { said += len(text) }
				_, err := e.Execute(t.Context(), req)
				require.ErrorContains(t, err, want)
				require.LessOrEqual(t, said, 1000)
			})
		}
	}
}

// A result of the largest size is one, in pieces of one byte too.
func TestStreamUpToTheBound(t *testing.T) {
	t.Parallel()
	const limit = 1000
	for name, c := range map[string]struct {
		chunk any
		fit   int
		size  func(executors.Result) int
	}{
		"Texts":   {"\x01", limit, func(r executors.Result) int { return len(r.Message.Text()) }},
		"Numbers": {1, (limit - 1) / 2, func(r executors.Result) int { return len(conversation.ResultOf(r.Message)) }},
	} {
		for _, more := range []int{0, 1} {
			agent := runagenttest.Agent{ID: "harbour", Streams: map[string]runagenttest.Stream{
				"chat_stream": func(_ context.Context, _ runagenttest.Call, send func(any)) error {
					for range c.fit + more {
						send(c.chunk)
					}
					return nil
				},
			}}
			e := local(t, runagenttest.Start(t, agent), entrypoint("chat_stream"), unvalidated, func(c *runagent.Config) { c.MaxReplyBytes = limit })
			res, err := e.Execute(t.Context(), task(`{}`))
			if more > 0 {
				require.ErrorContains(t, err, "larger than allowed", name)
				continue
			}
			require.NoError(t, err, name)
			require.InDelta(t, limit, c.size(res), 1, name)
		}
	}
}
