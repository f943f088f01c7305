package endtoend_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/rig"
)

// proxied is a TCP proxy that can be cut, or fall silent.
type proxied struct {
	listener net.Listener
	to       string

	mu     sync.Mutex
	cut    bool
	silent chan struct{} // not nil: what comes is held back until it is closed
	conns  []net.Conn
}

func newWire(t *testing.T, to string) *proxied {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w := &proxied{listener: l, to: to}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			w.join(in)
		}
	}()
	t.Cleanup(func() { _ = l.Close(); w.set(true, false) })
	return w
}

func (w *proxied) join(in net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		_ = in.Close()
		return
	}
	out, err := net.Dial("tcp", w.to)
	if err != nil {
		_ = in.Close()
		return
	}
	w.conns = append(w.conns, in, out)
	go w.pass(in, out)
	go w.pass(out, in)
}

func (w *proxied) pass(to, from net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		w.mu.Lock()
		silent := w.silent
		w.mu.Unlock()
		if silent != nil {
			<-silent
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			_ = to.Close()
			if err != io.EOF {
				_ = from.Close()
			}
			return
		}
	}
}

func (w *proxied) set(cut, silent bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	if cut {
		for _, c := range w.conns {
			_ = c.Close()
		}
		w.conns = nil
	}
	switch {
	case silent && w.silent == nil:
		w.silent = make(chan struct{})
	case !silent && w.silent != nil:
		close(w.silent)
		w.silent = nil
	}
}

const iiiSlowConfig = `task_queue: %s
platforms:
  %s: {type: iii, url: %s}
executors:
  agent: {type: scripted, script: parrot.yaml, latency: 3s}
agents:
  %s: {executor: agent, platform: %s}
`

// The callers of a worker process hear within seconds that Temporal is away, or silent, and
// have the reply by the same id when it is back.
func TestIIIProcessWithoutTemporal(t *testing.T) {
	t.Parallel()
	for name, silent := range map[string]bool{"away": false, "silent": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newIIIRig(t, iii.EraD, &parrot{})
			through := newWire(t, localstacktest.Address(t))
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "parley.yaml"), fmt.Appendf(nil, iiiSlowConfig,
				r.launcher.TaskQueue, r.name, r.engine.URL(), r.agent(), r.name), 0o600))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "parrot.yaml"), []byte(parrotScript), 0o600))
			p := &workerProcess{dir: dir, env: []string{
				"TEMPORAL_ADDRESS=" + through.listener.Addr().String(), "HOME=" + dir, "PATH=" + os.Getenv("PATH"),
			}}
			t.Cleanup(func() { p.kill(t) })
			p.start(t)
			r.ready(t)
			w := r.caller(t)
			mustCall(t, w, "conversation::start", object{"conversationId": "c1"})
			through.set(!silent, silent)
			began := time.Now()
			errs := make(chan error, 3)
			for id, req := range map[string]object{
				"conversation::send":  {"conversationId": "c1", "message": "say 1", "messageId": "m1"},
				"conversation::start": {"conversationId": "c2", "message": "say 2", "messageId": "m2"},
				"conversation::get":   {"conversationId": "c1"},
			} {
				go func() {
					_, err := call[object](t, w, id, req)
					errs <- err
				}()
			}
			for range 3 {
				requireCode(t, "unavailable", <-errs)
			}
			require.Less(t, time.Since(began), 45*time.Second, "%s", p.log())
			through.set(false, false)
			ctx, cancel := context.WithTimeout(t.Context(), rig.Patience) // connections come back in their time
			defer cancel()
			said, err := insist(ctx, w, "conversation::send", object{"conversationId": "c1", "message": "say 1", "messageId": "m1"})
			require.NoError(t, err, "%s", p.log())
			require.Equal(t, "1: heard 1", said["reply"])
		})
	}
}
