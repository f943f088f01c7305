package endtoend_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
)

// outage is a Temporal that does not answer for a while.
type outage struct {
	away    atomic.Bool
	refused atomic.Int64
}

func (o *outage) client(t *testing.T) client.Client {
	t.Helper()
	c, err := client.Dial(client.Options{
		HostPort: localstacktest.Address(t), Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
		ConnectionOptions: client.ConnectionOptions{DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(
			func(ctx context.Context, method string, in, out any, conn *grpc.ClientConn, call grpc.UnaryInvoker, opts ...grpc.CallOption) error {
				if o.away.Load() {
					o.refused.Add(1)
					return status.Error(codes.DeadlineExceeded, "nobody is there")
				}
				return call(ctx, method, in, out, conn, opts...)
			},
		)}},
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// An engine tries a message of its queue for seconds, and then puts it away for good.
// One that comes while Temporal does not answer is kept, also over a restart.
func TestIIIInboxOutlivesAnOutageOfTemporal(t *testing.T) {
	t.Parallel()
	var temporal outage
	r := newIIIRig(t, iii.EraC, &parrot{})
	r.served = temporal.client(t)
	stop := r.start(t, nil)
	r.ready(t, "ingest")
	w := r.caller(t)

	temporal.away.Store(true)
	require.NoError(t, w.PublishDurable(t.Context(), "conversation.inbox", object{"conversationId": "letter", "message": "a letter"}))
	twice := func() {
		before := temporal.refused.Load()
		require.Eventually(t, func() bool { return temporal.refused.Load() >= before+2 }, 30*time.Second, 10*time.Millisecond)
	}
	twice()
	stop()
	r.start(t, nil)
	r.ready(t, "ingest")
	twice()
	temporal.away.Store(false)

	require.Eventually(t, func() bool {
		got, err := call[object](t, w, "conversation::get", object{"conversationId": "letter"})
		return err == nil && got["total"] == 2.0
	}, 30*time.Second, 20*time.Millisecond)
	require.Empty(t, r.engine.DeadLetters())
}
