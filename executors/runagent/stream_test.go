package runagent_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/runagent"
	"github.com/parley-run/parley/internal/runagenttest"
)

func TestStream(t *testing.T) {
	t.Parallel()
	for _, create := range []func(*testing.T, *runagenttest.Server, ...func(*runagent.Config)) *runagent.Executor{local, cloud} {
		e := create(t, runagenttest.Start(t, harbour()))
		var deltas []string
		req := task(`{"entrypoint_tag": "chat_stream"}`)
		req.OnDelta = func(text string) { deltas = append(deltas, text) }
		res, err := e.Execute(t.Context(), req)
		require.NoError(t, err)
		require.Equal(t, conversation.Text(conversation.RoleAssistant, "Good day! Müller here."), res.Message)
		require.Equal(t, []string{"Good ", "day! ", "Müller here."}, deltas)
	}
}

// Chunks that are not all texts are the result as a list. The texts are told all
// the same, and add up to the reply's.
func TestStreamOfOtherThings(t *testing.T) {
	t.Parallel()
	e := local(t, runagenttest.Start(t, harbour()))
	var deltas strings.Builder
	req := task(`{"entrypoint_tag": "mixed_stream"}`)
	req.OnDelta = func(text string) { deltas.WriteString(text) }
	res, err := e.Execute(t.Context(), req)
	require.NoError(t, err)
	require.JSONEq(t, `["tide ", {"metres": 3.5}, null, "rising"]`, string(conversation.ResultOf(res.Message)))
	require.Equal(t, "tide rising", res.Message.Text())
	require.Equal(t, "tide rising", deltas.String())

	res, err = e.Execute(t.Context(), task(`{"entrypoint_tag": "empty_stream"}`))
	require.NoError(t, err)
	require.Equal(t, `""`, string(conversation.ResultOf(res.Message)))
}

// A conversation says what is text, at reply_path where it is told to look.
func TestStreamInAConversation(t *testing.T) {
	t.Parallel()
	agent := runagenttest.Agent{ID: "harbour", Streams: map[string]runagenttest.Stream{
		"tokens_stream": func(_ context.Context, _ runagenttest.Call, send func(any)) error {
			send(map[string]any{"event": "start"})
			send(map[string]any{"content": "Hel"})
			send(map[string]any{"content": "lo"})
			return nil
		},
	}}
	server := runagenttest.Start(t, agent)
	res, err := local(t, server, entrypoint("tokens_stream"), func(c *runagent.Config) { c.ReplyPath = "content" }).
		Execute(t.Context(), executortest.Request("c1", "Hi"))
	require.NoError(t, err)
	require.Equal(t, conversation.Text(conversation.RoleAssistant, "Hello"), res.Message)

	_, err = local(t, server, entrypoint("tokens_stream")).Execute(t.Context(), executortest.Request("c1", "Hi"))
	require.ErrorContains(t, err, "set reply_path")
	require.Equal(t, conversation.Invalid, asError(t, err).Kind)

	res, err = local(t, runagenttest.Start(t, harbour()), entrypoint("mixed_stream")).Execute(t.Context(), executortest.Request("c1", "Hi"))
	require.NoError(t, err)
	require.Equal(t, conversation.Text(conversation.RoleAssistant, "tide rising"), res.Message)
}

func TestStreamErrors(t *testing.T) {
	t.Parallel()
	const (
		invalid     = conversation.Invalid
		unavailable = conversation.Unavailable
	)
	for name, c := range map[string]struct {
		fault     runagenttest.Fault
		change    func(*runagent.Config)
		cloud     bool
		want      conversation.Kind
		ambiguous bool
		text      string
	}{
		"AgentRaised":    {change: entrypoint("fail_stream"), want: invalid, ambiguous: true, text: "Streaming error: the harbour is closed” (read the agent's log"},
		"AgentLacksIt":   {change: entrypoint("denied_stream"), cloud: true, want: invalid, ambiguous: true, text: "permission denied” (read the agent's log"},
		"MayBeRetried":   {change: func(c *runagent.Config) { c.Entrypoint, c.RetryAgentErrors = "fail_stream", true }, want: unavailable, ambiguous: true, text: "Streaming error"},
		"UnknownTag":     {change: func(c *runagent.Config) { c.Entrypoint = "no_stream"; unvalidated(c) }, want: invalid, text: "Entrypoint no_stream not found” (check entrypoint_tag"},
		"CutOff":         {fault: runagenttest.Fault{Drop: true}, want: unavailable, ambiguous: true, text: "the stream ended before the answer did"},
		"EndsEarly":      {fault: runagenttest.Fault{Raw: `{"type": "data", "content": "x"}`}, want: unavailable, ambiguous: true, text: "the stream ended before the answer did (the server closed it with code 1000)"},
		"ClosedAtStart":  {fault: runagenttest.Fault{Close: 1003}, want: invalid, text: "the stream did not start: the server closed it with code 1003"},
		"TurnedAway":     {fault: runagenttest.Fault{Close: 1008}, cloud: true, want: conversation.Unauthorized, text: "code 1008” (check api_key"},
		"KeyTurnedDown":  {fault: runagenttest.Fault{Status: 401, Body: `{"detail": "bad token"}`}, cloud: true, want: conversation.Unauthorized, text: "401 Unauthorized: “bad token” (check api_key"},
		"Unavailable":    {fault: runagenttest.Fault{Status: 502}, cloud: true, want: unavailable, text: "502 Bad Gateway"},
		"NoPermission":   {fault: runagenttest.Fault{Raw: `{"type": "error", "error": "You do not have permission"}`}, cloud: true, want: conversation.Unauthorized, ambiguous: true, text: "permission"},
		"StartUpFault":   {fault: runagenttest.Fault{Raw: `{"type": "error", "detail": "Missing required field: input_args"}`}, want: invalid, text: "Missing required field"},
		"ErrorAsObject":  {fault: runagenttest.Fault{Raw: `{"type": "error", "error": {"code": "SERVER_ERROR", "message": "down"}}`}, want: unavailable, ambiguous: true, text: "down"},
		"ErrorOfNothing": {fault: runagenttest.Fault{Raw: `{"type": "error"}`}, want: invalid, ambiguous: true, text: "the stream reports an error"},
		"NoJSON":         {fault: runagenttest.Fault{Raw: `hello`}, want: invalid, ambiguous: true, text: "a frame of the stream is none"},
		"GiantFrame":     {fault: runagenttest.Fault{Raw: `{"type": "data", "content": "` + strings.Repeat("x", 10<<20) + `"}`}, want: invalid, ambiguous: true, text: "have the agent answer with less"},
		"TooLarge":       {change: func(c *runagent.Config) { c.MaxReplyBytes = 8 }, want: invalid, ambiguous: true, text: "have the agent answer with less"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := runagenttest.Start(t, harbour())
			if c.fault != (runagenttest.Fault{}) {
				server.Fail(c.fault)
			}
			create := local
			if c.cloud {
				create = cloud
			}
			_, err := create(t, server, entrypoint("chat_stream"), c.change).Execute(t.Context(), task(`{}`))
			ce := asError(t, err)
			require.Equal(t, c.want, ce.Kind, "%v", err)
			require.Equal(t, c.ambiguous, ce.Ambiguous, "%v", err)
			require.ErrorContains(t, err, c.text)
		})
	}
}

// A stream without a first piece, or that does not go on, is given up.
func TestStreamTimers(t *testing.T) {
	t.Parallel()
	silent := func(pieces int) runagenttest.Agent {
		return runagenttest.Agent{ID: "harbour", Streams: map[string]runagenttest.Stream{
			"chat_stream": func(ctx context.Context, _ runagenttest.Call, send func(any)) error {
				tick := time.NewTicker(time.Millisecond)
				defer tick.Stop()
				for n := 0; ; n++ {
					if n < pieces {
						send("x")
					}
					select {
					case <-tick.C:
					case <-ctx.Done():
						return ctx.Err()
					}
				}
			},
		}}
	}
	// Long enough for a busy machine to come as far as each timer.
	for name, c := range map[string]struct {
		pieces int
		change func(*runagent.Config)
		want   string
	}{
		"FirstToken": {0, func(c *runagent.Config) { c.FirstTokenTimeout = 2 * time.Second }, "the answer did not begin within 2s (first_token_timeout)"},
		"Gap":        {2, func(c *runagent.Config) { c.GapTimeout = 2 * time.Second }, "the answer did not continue within 2s (gap_timeout)"},
		"Total":      {100_000, func(c *runagent.Config) { c.Timeout = 2 * time.Second }, "the answer was not complete within 2s (timeout)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := local(t, runagenttest.Start(t, silent(c.pieces)), entrypoint("chat_stream"), unvalidated, c.change).Execute(t.Context(), task(`{}`))
			require.ErrorContains(t, err, c.want)
			ce := asError(t, err)
			require.Equal(t, conversation.Unavailable, ce.Kind)
			require.True(t, ce.Ambiguous)
		})
	}
}
