package mcp

import (
	"context"
	"errors"
	"net/http"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/parley-run/parley/internal/httpclient"
)

var (
	errClosed = errors.New("the tools are closed")
	errGone   = errors.New("the connection was abandoned")
)

// A connection is a session with the server that all calls share. It belongs to no
// caller: the first that needs it opens it, and one that is cancelled does not end
// it for the others. The next call replaces a broken connection, which stays until
// its own calls have ended.
type connection struct {
	ready   chan struct{} // closed when connecting has ended
	session *sdk.ClientSession
	silence func() time.Duration
	stuck   func() bool
	err     error         // why there is no session; to be read after ready, like session
	gone    chan struct{} // closed when no more messages will arrive
	idle    chan struct{} // closed when it is retired and unused

	// The set's mutex guards these.
	users   int
	retired bool
}

// link is one way to reach the server, used once.
type link struct {
	transport sdk.Transport
	// settle waits for messages that must be sent before the session ends.
	settle func()
	// end releases the resources of the transport, after the session has ended.
	end func()
	// silence is how long the server has sent nothing. Nil: unknown.
	silence func() time.Duration
	// stuck reports whether the server does not go on with a message that it has begun,
	// so that nothing else can arrive. Nil: that cannot be.
	stuck func() bool
	// parameters means that arguments of calls are sent in headers, which the server's
	// descriptions of its tools name.
	parameters bool
}

// acquire returns the connection. The caller must release it.
func (s *Set) acquire(ctx context.Context) (*connection, error) {
	s.mu.Lock()
	if s.ctx.Err() != nil {
		s.mu.Unlock()
		return nil, errClosed
	}
	c := s.current
	if c != nil && (c.isGone() || c.isStuck()) {
		s.retire(c)
		c = nil
	}
	if c == nil {
		c = &connection{ready: make(chan struct{}), gone: make(chan struct{}), idle: make(chan struct{})}
		s.current = c
		s.open.Go(func() { s.run(c) })
	}
	c.users++
	s.mu.Unlock()

	select {
	case <-c.ready:
		if c.err != nil {
			s.release(c, true)
			return nil, c.err
		}
		return c, nil
	case <-ctx.Done():
		s.release(c, false)
		return nil, context.Cause(ctx)
	}
}

// hangs reports whether a server has sent nothing while a call waited for it, and
// for at least the given time.
func (c *connection) hangs(waited, least time.Duration) bool {
	return c.silence != nil && c.silence() >= max(waited, least)
}

// hangsAfter is the shortest silence after which a server counts as hanging.
const hangsAfter = 30 * time.Second

func (c *connection) isGone() bool {
	select {
	case <-c.gone:
		return true
	default:
		return false
	}
}

// isStuck reports whether calls that are made now could not be answered. Those that are
// under way may be, and stay.
func (c *connection) isStuck() bool {
	select {
	case <-c.ready:
		return c.stuck != nil && c.stuck()
	default:
		return false
	}
}

// release returns the connection; broken means that it must not be used again.
func (s *Set) release(c *connection, broken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.users--
	if broken {
		s.retire(c)
	}
	c.settle()
}

// retire makes the next call open a new connection. The caller holds the mutex.
func (s *Set) retire(c *connection) {
	if s.current == c {
		s.current = nil
	}
	c.retired = true
	c.settle()
}

func (c *connection) settle() {
	if !c.retired || c.users > 0 {
		return
	}
	select {
	case <-c.idle:
	default:
		close(c.idle)
	}
}

// run opens the connection, keeps it, and closes it.
func (s *Set) run(c *connection) {
	life, end := context.WithCancelCause(context.Background())
	var l link
	l, c.session, c.err = s.introduce(life)
	defer l.end()
	defer end(errGone)
	c.silence, c.stuck = l.silence, l.stuck
	if c.err != nil {
		s.mu.Lock()
		s.retire(c)
		s.mu.Unlock()
		close(c.ready)
		return
	}
	if s.made.Add(1) > 1 {
		s.version.Add(1) // the server may have other tools now
	}
	close(c.ready)
	s.open.Go(func() {
		_ = c.session.Wait()
		close(c.gone)
	})
	<-c.idle
	l.settle()
	_ = c.session.Close()
}

// toProgram makes links to a program, which each link starts.
func toProgram(cfg Config, environment func() []string, w words) func(context.Context) link {
	odd := &oddTools{logger: cfg.Logger, clean: w.clean}
	return func(context.Context) link {
		t := &stdio{odd: odd, lastOutput: &pulse{}, start: func() (*process, error) { return startProcess(cfg, environment(), w.clean) }}
		return link{transport: t, silence: t.lastOutput.silence, stuck: t.lastOutput.stuck, settle: func() {}, end: func() {
			if t.program != nil {
				t.program.stop()
				<-t.program.Gone()
			}
		}}
	}
}

// toServer makes links to a server at an address.
func toServer(cfg Config, w words) (link func(context.Context) link, closeIdle func()) {
	headers := func(h http.Header) {
		for name, value := range cfg.Headers {
			h.Set(name, value.Reveal())
		}
	}
	client := httpclient.New(httpclient.Config{Client: cfg.HTTPClient})
	closeIdle = client.CloseIdleConnections
	if cfg.HTTPClient != nil && cfg.HTTPClient.Transport != nil {
		closeIdle = func() {} // the connections belong to the caller
	}
	return newLink(*client, cfg.URL, headers, w, &oddTools{logger: cfg.Logger, clean: w.clean}), closeIdle
}

func newLink(client http.Client, url string, headers func(http.Header), w words, odd *oddTools) func(context.Context) link {
	return func(life context.Context) link {
		guarded := client
		g := &guard{base: client.Transport, headers: headers, life: life, clean: w.clean, odd: odd}
		guarded.Transport = g
		return link{parameters: true, transport: &sdk.StreamableClientTransport{
			Endpoint: url, HTTPClient: &guarded,
			MaxRetries:           -1,
			DisableStandaloneSSE: true,
		}, settle: g.cancelling.Wait, end: g.cancelling.Wait}
	}
}
