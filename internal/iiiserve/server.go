package iiiserve

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/parley-run/parley/iii"

	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/platforms/iiiengine"
)

// Config is what a [Server] is made of. All but Logger is required.
type Config struct {
	// Platform is the engine.
	Platform *iiiengine.Platform
	// Agents are those that can be talked to, in the configuration's order.
	Agents   []config.Agent
	Launcher launch.Launcher
	Operator *operate.Operator
	// Logger is told what is served. Nil: silent.
	Logger *slog.Logger
}

// Agents chooses those that a platform instance serves: those that name it, or all
// where none does.
func Agents(cfg *config.Config, instance string) []config.Agent {
	var named []config.Agent
	for _, a := range cfg.Agents {
		if a.Platform == instance {
			named = append(named, a)
		}
	}
	if named == nil {
		return cfg.Agents
	}
	return named
}

// A Server serves the functions of one platform instance. Create it with [New].
type Server struct {
	platform *iiiengine.Platform
	cfg      iiiengine.Config
	agents   []config.Agent
	launcher launch.Launcher
	operator *operate.Operator
	log      *slog.Logger

	stop     context.CancelFunc
	stopping <-chan struct{} // closed by Stop
	replica  *iii.Replica
	inbox    *subscription // nil: there is no inbox

	outage     *outage
	talking    admission // calls that may wait for a reply
	reading    admission // all others
	letters    admission // messages of the inbox
	conversing atomic.Int64
	complaints complaints

	mu      sync.Mutex
	running int
	quiet   chan struct{} // closed when running is zero, if somebody waits for it
}

// New makes a server. Nothing happens before [Server.Start].
func New(cfg Config) (*Server, error) {
	if len(cfg.Agents) == 0 {
		return nil, errors.New("iiiserve: there is no agent to serve")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Server{
		platform: cfg.Platform, cfg: cfg.Platform.Config(), agents: cfg.Agents,
		launcher: cfg.Launcher, operator: cfg.Operator, log: cfg.Logger,
		outage:  newOutage(cfg.Launcher.Client),
		talking: newAdmission(cfg.Platform.Config().Concurrency),
		reading: newAdmission(cfg.Platform.Config().Concurrency),
		letters: newAdmission(cfg.Platform.Config().Concurrency),
	}, nil
}

// Start connects in the background and serves until Stop.
func (s *Server) Start() error {
	w, err := s.platform.Worker()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.stop, s.stopping = cancel, ctx.Done()
	if s.cfg.Inbox != "" {
		if s.inbox, err = s.subscribe(w, strings.ToLower(rand.Text()[:12])); err != nil {
			return err
		}
	}
	s.replica, err = w.RegisterReplica(iii.ReplicaOptions{Functions: s.functions(), Service: s.cfg.Prefix, Interval: s.cfg.ReplicaInterval})
	if err != nil {
		return err
	}
	var names []string
	for _, a := range s.agents {
		names = append(names, a.Name)
	}
	s.log.Info("serving conversations on an iii engine", "platform", s.cfg.Name, "functions", s.id("*"), "agents", strings.Join(names, " "))
	return nil
}

// Stop withdraws the functions, so that the engine sends no more calls, and returns
// once those that run have ended, or when ctx is done. The connection stays: it is
// the platform's.
func (s *Server) Stop(ctx context.Context) error {
	if s.stop == nil {
		return nil
	}
	s.stop()
	if s.inbox != nil {
		s.inbox.unsubscribe()
	}
	if s.replica != nil {
		s.replica.Unregister()
	}
	s.mu.Lock()
	quiet := make(chan struct{})
	if s.running == 0 {
		close(quiet)
	} else {
		s.quiet = quiet
	}
	s.mu.Unlock()
	select {
	case <-quiet:
		return nil
	case <-ctx.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		return fmt.Errorf("iiiserve: %d calls still wait for a reply: their callers have to ask again", s.running)
	}
}

// id is the name of one of our functions.
func (s *Server) id(name string) string { return s.cfg.Prefix + "::" + name }

// begin counts a call, until the function returned is called.
func (s *Server) begin() (end func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.running--; s.running == 0 && s.quiet != nil {
			close(s.quiet)
			s.quiet = nil
		}
	}
}

// handler makes a handler of a function over Go types, with our errors. Beyond the places
// of admission, calls are refused.
func handler[Request, Response any](
	s *Server, places admission, serve func(context.Context, iii.Invocation, Request) (Response, error),
) iii.Handler {
	return overHTTP(func(ctx context.Context, call iii.Invocation) (any, error) {
		defer s.begin()()
		leave, err := places.enter()
		if err != nil {
			return nil, err
		}
		defer leave()
		return answer(s, ctx, call, serve)
	})
}

func answer[Request, Response any](
	s *Server, ctx context.Context, call iii.Invocation, serve func(context.Context, iii.Invocation, Request) (Response, error),
) (any, error) {
	var req Request
	if err := decode(call.Data, &req); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.ReplyTimeout)
	defer cancel()
	ctx, end := s.outage.watched(ctx)
	defer end()
	out, err := serve(ctx, call, req)
	var given *iii.Error
	switch {
	case err == nil:
		return out, nil
	case errors.As(context.Cause(ctx), &given):
		return nil, given
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		// Temporal's client has errors of its own for this.
		return nil, coded(context.DeadlineExceeded)
	}
	return nil, coded(err)
}
