package mcp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/parley-run/parley/internal/httpclient"
)

// protocol is the version we offer. With a newer one the SDK asks for things that
// servers of today answer with errors, before it introduces itself.
const protocol = "2025-11-25"

var (
	errClosed = errors.New("the tools are closed")
	errGone   = errors.New("the connection has been given up")
)

// A connection is a session with the server that all calls share. It belongs to
// no caller: whoever needs it first has it made, and one who gives up does not
// end it for the others. One that broke is replaced by the next call, and stays
// until its own calls have ended.
type connection struct {
	ready   chan struct{} // closed once connecting has ended
	session *sdk.ClientSession
	silence func() time.Duration
	err     error         // why there is no session; both to be read after ready
	gone    chan struct{} // closed once nothing more is to be expected of it
	idle    chan struct{} // closed once it is retired and nobody uses it

	// The set's mutex guards these.
	users   int
	retired bool
}

// link is how the server is reached, once.
type link struct {
	transport sdk.Transport
	// settle waits for what has to be said before the session ends.
	settle func()
	// end lets go of what the transport holds, after the session has ended.
	end func()
	// silence is for how long the server has given no sign of life. Nil: that is not
	// known, and says nothing.
	silence func() time.Duration
}

// acquire returns the connection. It is to be released.
func (s *Set) acquire(ctx context.Context) (*connection, error) {
	s.mu.Lock()
	if s.ctx.Err() != nil {
		s.mu.Unlock()
		return nil, errClosed
	}
	c := s.current
	if c != nil && c.isGone() {
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

// hangs reports whether a server has said nothing at all for as long as a call has
// waited for it, and for the least time at least.
func (c *connection) hangs(waited, least time.Duration) bool {
	return c.silence != nil && c.silence() >= max(waited, least)
}

// hangsAfter is the least silence in which a server is taken to hang.
const hangsAfter = 30 * time.Second

func (c *connection) isGone() bool {
	select {
	case <-c.gone:
		return true
	default:
		return false
	}
}

// release says whether the connection is of no more use.
func (s *Set) release(c *connection, broken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.users--
	if broken {
		s.retire(c)
	}
	c.settle()
}

// retire has the next call make a new connection. The mutex is held.
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

// run makes the connection, keeps it, and ends it.
func (s *Set) run(c *connection) {
	life, end := context.WithCancelCause(context.Background())
	l := s.link(life)
	defer l.end()
	defer end(errGone)
	c.silence = l.silence
	c.session, c.err = s.introduce(l)
	if c.err != nil {
		s.mu.Lock()
		s.retire(c)
		s.mu.Unlock()
		close(c.ready)
		return
	}
	if s.made.Add(1) > 1 {
		s.version.Add(1) // the server may be another by now
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

// introduce starts the session. Its time is the connection's own, not that of the
// call which happens to wait for it.
func (s *Set) introduce(l link) (*sdk.ClientSession, error) {
	slow := fmt.Errorf("the server was not ready within %v (connect_timeout)", s.cfg.ConnectTimeout)
	ctx, cancel := context.WithTimeoutCause(s.ctx, s.cfg.ConnectTimeout, slow)
	defer cancel()
	client := sdk.NewClient(&sdk.Implementation{Name: "parley", Version: s.cfg.Version}, &sdk.ClientOptions{
		Capabilities:           &sdk.ClientCapabilities{}, // we answer no questions
		MultiRoundTrip:         &sdk.MultiRoundTripOptions{Disabled: true},
		ToolListChangedHandler: func(context.Context, *sdk.ToolListChangedRequest) { s.version.Add(1) },
	})
	session, err := client.Connect(ctx, l.transport, &sdk.ClientSessionOptions{ProtocolVersion: protocol})
	if err == nil {
		return session, nil
	}
	out := s.failed(ctx, s.op("connect"), err)
	out.Ambiguous, out.Answered = false, false
	return nil, out
}

// toProgram is a link to a program that is started for it.
func toProgram(cfg Config, environment func() []string, w words) func(context.Context) link {
	odd := &oddTools{logger: cfg.Logger, clean: w.clean}
	return func(context.Context) link {
		t := &stdio{odd: odd, heard: &pulse{}, start: func() (*process, error) { return startProcess(cfg, environment(), w.clean) }}
		return link{transport: t, silence: t.heard.silence, settle: func() {}, end: func() {
			if t.program != nil {
				t.program.stop()
				<-t.program.Gone()
			}
		}}
	}
}

// toServer is a link to a server at an address.
func toServer(cfg Config, w words) (link func(context.Context) link, closeIdle func()) {
	headers := func(h http.Header) {
		for name, value := range cfg.Headers {
			h.Set(name, value.Reveal())
		}
	}
	client := httpclient.New(httpclient.Config{Client: cfg.HTTPClient})
	closeIdle = client.CloseIdleConnections
	if cfg.HTTPClient != nil && cfg.HTTPClient.Transport != nil {
		closeIdle = func() {} // the connections are the caller's
	}
	return newLink(*client, cfg.URL, headers, w, &oddTools{logger: cfg.Logger, clean: w.clean}), closeIdle
}

func newLink(client http.Client, url string, headers func(http.Header), w words, odd *oddTools) func(context.Context) link {
	return func(life context.Context) link {
		guarded := client
		g := &guard{base: client.Transport, headers: headers, life: life, clean: w.clean, odd: odd}
		guarded.Transport = g
		return link{transport: &sdk.StreamableClientTransport{
			Endpoint: url, HTTPClient: &guarded,
			MaxRetries:           -1,
			DisableStandaloneSSE: true,
		}, settle: g.cancelling.Wait, end: g.cancelling.Wait}
	}
}
