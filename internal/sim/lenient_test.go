package sim_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/sim"
)

func TestCallsAtOnceAreMixedUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked, release := make(chan struct{}, 2), make(chan struct{})
		b := setup(t, sim.Config{Player: blocking(asked, release)}, sim.Setup{Conversations: 1, MaxTurns: 50})
		c := b.conversations(0)[0]
		b.post(b.conv(c, "/start"), nil)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { b.do(t.Context(), "POST", b.conv(c, "/responses"), says("hi")) })
		}
		synctest.Wait()
		require.Len(t, asked, 2, "neither waits for the other")
		close(release)
		wg.Wait()
		require.Equal(t, []string{"assistant: hi", "user: well", "assistant: hi", "user: well"}, b.transcript(c))
		require.NoError(t, b.Close())
	})
}

// A call that was still thinking when the conversation ended is stored behind the
// end.
func TestAnswerAfterTheEndIsStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked, release := make(chan struct{}, 1), make(chan struct{})
		b := setup(t, sim.Config{Player: blocking(asked, release)}, sim.Setup{Conversations: 1})
		c := b.conversations(0)[0]
		b.post(b.conv(c, "/start"), nil)
		var wg sync.WaitGroup
		wg.Go(func() { b.do(t.Context(), "POST", b.conv(c, "/responses"), says("hi")) })
		<-asked
		b.post(b.conv(c, "/end"), nil)
		close(release)
		wg.Wait()
		require.Equal(t, []string{"assistant: hi", "user: well"}, b.transcript(c))
		require.Equal(t, "ended", b.get(b.conv(c, "")).body["status"])
		require.Equal(t, "agent_decided", b.get(b.conv(c, "")).body["end_reason"])
		require.NoError(t, b.Close())
	})
}

func TestTwoClaimsAtOnceCanBothSucceed(t *testing.T) {
	t.Parallel()
	for _, atomic := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := setup(t, sim.Config{
				Lenient: sim.Lenient{Claims: atomic},
				Faults:  sim.Faults{SlowRate: 1, SlowBy: time.Second, Only: []string{sim.OpStart}},
			}, sim.Setup{Conversations: 1})
			c := b.conversations(0)[0]
			statuses := make([]int, 2)
			var wg sync.WaitGroup
			for i := range statuses {
				wg.Go(func() { statuses[i] = b.do(t.Context(), "POST", b.conv(c, "/start"), nil).status })
			}
			wg.Wait()
			if atomic {
				require.ElementsMatch(t, []int{200, 409}, statuses)
			} else {
				require.Equal(t, []int{200, 200}, statuses)
			}
			require.Equal(t, 409, b.do(t.Context(), "POST", b.conv(c, "/start"), nil).status)
			require.NoError(t, b.Close())
		})
	}
}

func TestOneCallTooManyStopsEverything(t *testing.T) {
	t.Parallel()
	const connections = 15
	for _, unlimited := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			asked, release := make(chan struct{}, connections+1), make(chan struct{})
			b := setup(t, sim.Config{Player: blocking(asked, release), Lenient: sim.Lenient{Capacity: unlimited}},
				sim.Setup{Conversations: connections + 1})
			all := b.conversations(0)
			var wg sync.WaitGroup
			ask := func(c string) (status int) {
				wg.Go(func() { status = b.do(t.Context(), "POST", b.conv(c, "/responses"), says("hi")).status })
				synctest.Wait()
				return status
			}
			for _, c := range all[:connections] {
				ask(c)
			}
			began := time.Now()
			require.Equal(t, "ok", b.get("/health").body["status"])
			require.Zero(t, time.Since(began), "fifteen are answered")

			var refused int
			wg.Go(func() { refused = b.do(t.Context(), "POST", b.conv(all[connections], "/responses"), says("hi")).status })
			synctest.Wait()
			b.get("/health")
			if unlimited {
				require.Zero(t, time.Since(began))
			} else {
				require.Equal(t, 30*time.Second, time.Since(began), "nothing is answered, not even whether it is well")
			}
			close(release)
			wg.Wait()
			if unlimited {
				require.Equal(t, 200, refused)
			} else {
				require.Equal(t, 500, refused)
				require.Empty(t, b.transcript(all[connections]))
			}
			require.Len(t, b.transcript(all[0]), 2)
			require.NoError(t, b.Close())
		})
	}
}

func TestMissingSimulation(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{}, sim.Setup{Conversations: 1})
	a := b.call("GET", b.q("/v1/simulations/NoSuchThing0000000000"), nil)
	require.Equal(t, 500, a.status)
	require.Nil(t, a.body, "plain text")
	require.Equal(t, 404, b.call("GET", b.q("/v1/simulations/NoSuchThing0000000000/conversations"), nil).status)
	elsewhere := b.post("/v1/projects", `{"name":"elsewhere"}`).body["id"].(string)
	require.Equal(t, 200, b.call("GET", "/v1/simulations/"+b.seeded.SimulationIDs[0]+"?project_id="+elsewhere, nil).status)
}

func TestMarkerWithSpaceBehindItIsText(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{Player: saying("bye [END]\n", false)}, sim.Setup{Conversations: 1})
	reply := b.post(b.conv(b.conversations(0)[0], "/responses"), says("hi"))
	require.Equal(t, "bye [END]\n", reply.output())
	require.False(t, reply.ended())
}

func TestEmptyMessage(t *testing.T) {
	t.Parallel()
	for lenient, want := range map[bool]int{false: 500, true: 200} {
		b := setup(t, sim.Config{Player: chatty, Lenient: sim.Lenient{Empty: lenient}}, sim.Setup{Conversations: 1})
		c := b.conversations(0)[0]
		require.Equal(t, want, b.call("POST", b.conv(c, "/responses"), says(" \n")).status)
		require.Equal(t, lenient, len(b.transcript(c)) > 0)
	}
}

func TestTranscriptsAreReadByPostOnly(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{}, sim.Setup{Conversations: 1})
	require.Equal(t, 405, b.call("GET", b.conv(b.conversations(0)[0], "/items"), nil).status)
}

// A page that is read while conversations are made repeats rows of the one before.
func TestPagesShift(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{Pass: sim.Pass{Size: 4, Every: time.Minute}}, sim.Setup{Conversations: 8})
	first := b.get(b.sim(0, "/conversations?limit=2")).ids()
	b.clock.advance(time.Minute)
	second := b.get(b.sim(0, "/conversations?limit=2&offset=4")).ids()
	require.Equal(t, first, second)
}

func TestDateIsLate(t *testing.T) {
	t.Parallel()
	date := func(l sim.Lenient) (time.Time, error) {
		b := newBench(t, sim.Config{Lenient: l})
		return http.ParseTime(b.get("/health").header.Get("Date"))
	}
	late, err := date(sim.Lenient{})
	require.NoError(t, err)
	require.Less(t, late, time.Now().Add(-time.Second))
	_, err = date(sim.Lenient{Connections: true})
	require.Error(t, err, "the server's business")
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sim.Config{})
		l, dial := pipeListener(t.Context())
		server := b.Server()
		done := make(chan error, 1)
		go func() { done <- server.Serve(l) }()
		conn := dial()
		fmt.Fprint(conn, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
		began := time.Now()
		_, err := io.Copy(io.Discard, conn) // ends with the connection
		require.NoError(t, err)
		require.Equal(t, 5*time.Second, time.Since(began))
		require.NoError(t, server.Close())
		require.ErrorIs(t, <-done, http.ErrServerClosed)
		require.NoError(t, b.Close())
	})
}

// pipeListener listens in memory.
func pipeListener(ctx context.Context) (net.Listener, func() net.Conn) {
	l := &pipes{ctx: ctx, waiting: make(chan net.Conn), closed: make(chan struct{})}
	return l, func() net.Conn {
		here, there := net.Pipe()
		l.waiting <- there
		return here
	}
}

type pipes struct {
	ctx     context.Context
	waiting chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.waiting:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func TestLenientIn(t *testing.T) {
	t.Parallel()
	l, err := sim.LenientIn("keys", "capacity")
	require.NoError(t, err)
	require.Equal(t, sim.Lenient{Keys: true, Capacity: true}, l)
	l, err = sim.LenientIn("all")
	require.NoError(t, err)
	require.Equal(t, sim.LenientInAll(), l)
	_, err = sim.LenientIn("kindness")
	require.EqualError(t, err, `lenient in "kindness": want some of keys, turns, claims, capacity, missing, items, markers, empty, connections, or all`)
}
