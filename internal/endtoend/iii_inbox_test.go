package endtoend_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
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
	"github.com/parley-run/parley/internal/iiitest"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/platforms/iiiengine"
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
					return status.Error(codes.DeadlineExceeded, "connection refused")
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
		rig.Eventually(t, func() bool { return temporal.refused.Load() >= before+2 })
	}
	twice()
	stop()
	r.start(t, nil)
	r.ready(t, "ingest")
	twice()
	temporal.away.Store(false)

	rig.Eventually(t, func() bool {
		got, err := call[object](t, w, "conversation::get", object{"conversationId": "letter"})
		return err == nil && got["total"] == 2.0
	})
	require.Empty(t, r.engine.DeadLetters())
}

func letter(t *testing.T, r *iiiRig, w *iii.Worker, n int) {
	t.Helper()
	require.NoError(t, w.PublishDurable(t.Context(), "conversation.inbox", object{
		"agentId": r.agent(), "conversationId": fmt.Sprintf("letter-%d", n), "message": fmt.Sprintf("letter %d", n),
	}))
}

// letters publishes messages until it is stopped, and then says how many: at first faster
// than they are answered, later less often, so that a busy machine is not left with ever
// more of them.
func letters(t *testing.T, r *iiiRig, w *iii.Worker) (stop func() int) {
	t.Helper()
	quit, sent := make(chan struct{}), make(chan int, 1)
	go func() {
		const many = 100
		pace := time.NewTicker(20 * time.Millisecond)
		defer pace.Stop()
		for n := 0; ; n++ {
			select {
			case <-quit:
				sent <- n
				return
			case <-t.Context().Done():
				return
			case <-pace.C:
				letter(t, r, w, n)
				if n == many {
					pace.Reset(250 * time.Millisecond)
				}
			}
		}
	}()
	return func() int { close(quit); return <-sent }
}

// answered checks that each letter has one reply, and that the engine has given none up.
func answered(t *testing.T, r *iiiRig, agent *parrot, n int) {
	t.Helper()
	rig.Eventually(t, func() bool {
		require.Empty(t, r.engine.DeadLetters())
		for i := range n {
			if agent.times(fmt.Sprintf("letter-%d", i), fmt.Sprintf("letter %d", i)) == 0 {
				return false
			}
		}
		return true
	}, "of %d letters some were lost", n)
	for i := range n {
		require.Equal(t, 1, agent.times(fmt.Sprintf("letter-%d", i), fmt.Sprintf("letter %d", i)), "letter %d", i)
	}
	require.Empty(t, r.engine.Unread())
	require.Empty(t, r.engine.DeadLetters())
	require.Empty(t, r.engine.Faults())
}

// Messages are published all the time while two workers restart one after the other.
func TestIIIInboxThroughARollingRestart(t *testing.T) {
	t.Parallel()
	for _, era := range []iii.Era{iii.EraA, iii.EraC, iii.EraD, iii.EraE} {
		t.Run("era "+era.String(), func(t *testing.T) {
			t.Parallel()
			agent := &parrot{}
			r := newIIIRigOn(t, iiitest.Options{Era: era, RetryDelay: busyRetryDelay}, agent)
			var stops [2]func()
			for i := range stops {
				stops[i] = r.start(t, byEventsAlone)
			}
			r.ready(t, "ingest")
			w := r.caller(t)
			queue := queueOf(t, w)
			bound := func(n int) {
				require.NoError(t, r.engine.Wait(soon(t), func() bool { return r.engine.Bound(queue, "conversation::ingest") >= n }))
			}
			bound(2)
			stop := letters(t, r, w)
			for round := range 4 {
				i := round % 2
				stops[i]()
				r.ready(t, "ingest")
				stops[i] = r.start(t, byEventsAlone)
				bound(2)
			}
			answered(t, r, agent, stop())
		})
	}
}

// One worker alone is stopped and started. Engines from 0.21.3 keep its trigger.
func TestIIIInboxOfASingleWorker(t *testing.T) {
	t.Parallel()
	for _, era := range []iii.Era{iii.EraA, iii.EraD, iii.EraE} {
		t.Run("era "+era.String(), func(t *testing.T) {
			t.Parallel()
			agent := &parrot{}
			r := newIIIRig(t, era, agent)
			stop := r.start(t, byEventsAlone)
			r.ready(t, "ingest")
			w := r.caller(t)
			queue := queueOf(t, w)
			wanted := 1
			if era >= iii.EraD {
				wanted = 2
			}
			require.NoError(t, r.engine.Wait(soon(t), func() bool { return r.engine.Bound(queue, "conversation::ingest") == wanted }))
			stop()
			const away = 10
			for n := range away {
				letter(t, r, w, n)
			}
			if era >= iii.EraD { // more often than an engine tries by itself
				require.NoError(t, r.engine.Wait(soon(t), func() bool { return r.engine.FailedAttempts("conversation.inbox") >= 3*away }))
			}
			r.start(t, byEventsAlone)
			r.ready(t, "ingest")
			answered(t, r, agent, away)
		})
	}
}

// busyRetryDelay gives the takeover of a replica 9 seconds instead of 3 until a letter is a
// dead one: on a busy machine the processes alone may need 3. Without the engine's events
// it takes a minute.
const busyRetryDelay = 3 * time.Second

// byEventsAlone leaves it to the engine's events that a replica takes over in time.
func byEventsAlone(c *iiiengine.Config) { c.ReplicaInterval = time.Minute }

func queueOf(t *testing.T, w *iii.Worker) string {
	t.Helper()
	d, err := w.Dialect(t.Context())
	require.NoError(t, err)
	return d.QueueTrigger
}

// Two worker processes are killed one after the other while messages are published.
func TestIIIInboxThroughKills(t *testing.T) {
	t.Parallel()
	r := newIIIRigOn(t, iiitest.Options{Era: iii.EraC, RetryDelay: busyRetryDelay}, &parrot{})
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "parley.yaml"), fmt.Appendf(nil, iiiProcessConfig,
		r.launcher.TaskQueue, r.name, r.engine.URL(), r.agent(), r.name), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "parrot.yaml"), []byte(parrotScript), 0o600))
	var both [2]*workerProcess
	w := r.caller(t)
	queue := queueOf(t, w)
	subscribed := func(n int) {
		require.NoError(t, r.engine.Wait(soon(t), func() bool {
			return r.engine.Bound(queue, "conversation::ingest") == n && r.engine.Serves("", "conversation::ingest")
		}))
	}
	for i := range both {
		both[i] = &workerProcess{dir: dir, env: []string{
			"TEMPORAL_ADDRESS=" + localstacktest.Address(t), "HOME=" + dir, "PATH=" + os.Getenv("PATH"), "ENGINE_TOKEN=t",
		}}
		t.Cleanup(func() { both[i].kill(t) })
		both[i].start(t)
		subscribed(i + 1)
	}
	stop := letters(t, r, w)
	for round := range 4 {
		both[round%2].kill(t)
		subscribed(1)
		both[round%2].start(t)
		subscribed(2)
	}
	n := stop()
	o := &operate.Operator{Reader: &records.Reader{Client: r.client}}
	rig.Eventually(t, func() bool {
		require.Empty(t, r.engine.DeadLetters(), "%s", &both[0].out)
		for i := range n {
			record, err := o.Show(t.Context(), fmt.Sprintf("direct/%s/letter-%d", r.agent(), i))
			if err != nil || len(record.Messages) != 2 {
				return false
			}
		}
		return true
	}, "of %d letters some were lost or doubled\n%s", n, &both[0].out)
	require.Empty(t, r.engine.Unread())
	require.Empty(t, r.engine.DeadLetters())
}
