package iiiserve_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/rig"
)

// interrupted is a connection to Temporal that fails while away is set.
type interrupted struct{ away atomic.Bool }

func (i *interrupted) client(t *testing.T) client.Client {
	t.Helper()
	c, err := client.Dial(client.Options{
		HostPort: localstacktest.Address(t), Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
		ConnectionOptions: client.ConnectionOptions{DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(
			func(ctx context.Context, method string, in, out any, conn *grpc.ClientConn, call grpc.UnaryInvoker, opts ...grpc.CallOption) error {
				if i.away.Load() {
					return status.Error(codes.Unavailable, "connection refused")
				}
				return call(ctx, method, in, out, conn, opts...)
			},
		)}},
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// While Temporal is away, calls fail within seconds, and the inbox holds its messages.
func TestTemporalAway(t *testing.T) {
	t.Parallel()
	var temporal interrupted
	s := serving(t, options{served: temporal.client(t)})
	s.must("start", object{"conversationId": "c1"})
	temporal.away.Store(true)
	ingested := make(chan error, 1)
	go func() {
		_, err := s.caller.Invoke(t.Context(), "conversation::ingest", object{"conversationId": "c2", "message": "a letter"}, iii.Timeout(0))
		ingested <- err
	}()
	for function, data := range map[string]object{
		"start": {"conversationId": "c3"}, "send": {"conversationId": "c1", "message": "hello", "messageId": "m1"},
		"get": {"conversationId": "c1"}, "list": {}, "end": {"conversationId": "c1"},
	} {
		s.fails("unavailable", "", function, data)
	}
	require.Empty(t, ingested)
	temporal.away.Store(false)
	require.NoError(t, <-ingested)
	s.eventually("c2", func(got object) bool { return got["total"] == 2.0 })
	require.Equal(t, "1: hello", s.must("send", object{"conversationId": "c1", "message": "hello", "messageId": "m1"})["reply"])
	require.Equal(t, 1, s.agent.called("a letter"))
}

// The functions are served again once the engine is back, and conversations go on.
func TestEngineAway(t *testing.T) {
	t.Parallel()
	s := serving(t, options{era: iii.EraE})
	s.must("start", object{"conversationId": "c1", "message": "hello", "messageId": "m1"})
	s.engine.Stop()
	require.NoError(t, s.engine.Start())
	s.ready()
	require.NoError(t, s.caller.WaitConnected(s.soon()))
	require.Equal(t, "3: and?", s.must("send", object{"conversationId": "c1", "message": "and?"})["reply"])
}

// A message that is delivered again, however it is written, starts one conversation.
func TestIngest(t *testing.T) {
	t.Parallel()
	s := serving(t, options{})
	first := s.must("ingest", object{"agentId": s.agentName(0), "message": "a letter", "metadata": object{"n": 1}})
	require.Equal(t, true, first["started"])
	second := s.must("ingest", object{"metadata": object{"n": 1}, "message": "a letter", "agentId": s.agentName(0)})
	require.Equal(t, first["conversationId"], second["conversationId"])
	require.Equal(t, false, second["started"])
	id := first["conversationId"].(string)
	s.eventually(id, func(got object) bool { return got["total"] == 2.0 })
	require.Equal(t, 1, s.agent.called("a letter"))

	s.must("end", object{"conversationId": id})
	s.eventually(id, func(got object) bool { return got["open"] == false })
	s.must("ingest", object{"agentId": s.agentName(0), "message": "a letter", "metadata": object{"n": 1}})
	s.fails("conversation_over", "over", "ingest", object{"conversationId": id, "message": "more"})
	s.must("ingest", object{"conversationId": id}) // it was started, and is over
	s.fails("unknown_agent", "a0", "ingest", object{"agentId": "unknown"})
	s.fails("invalid_input", "object", "ingest", 7)
	s.fails("refused", "persona::*", "ingest", object{"personaFunction": "state::set"})
}

// Stop withdraws the functions and waits for the calls that run.
func TestStop(t *testing.T) {
	t.Parallel()
	block := make(chan struct{})
	s := serving(t, options{block: block})
	s.must("start", object{"conversationId": "c1"})
	replied := make(chan error, 1)
	go func() {
		_, err := s.caller.Invoke(t.Context(), "conversation::send", object{"conversationId": "c1", "message": "wait", "messageId": "m1"}, iii.Timeout(0))
		replied <- err
	}()
	rig.Eventually(t, func() bool { return s.agent.called("wait") == 1 })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := s.server.Stop(ctx)
	require.ErrorContains(t, err, "1 calls still wait")
	require.True(t, errors.Is(err, context.Canceled))
	require.NoError(t, s.engine.Wait(s.soon(), func() bool { return !s.engine.Serves("", "conversation::send") }))
	s.fails(iii.CodeFunctionNotFound, "", "get", object{"conversationId": "c1"})
	close(block)
	require.NoError(t, <-replied)
	require.NoError(t, s.server.Stop(s.soon()))
}
