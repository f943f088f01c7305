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

// Config has the dependencies of a [Server]. All but Logger are required.
type Config struct {
	// Platform has the connection to the engine, and the settings.
	Platform *iiiengine.Platform
	// Agents that the functions serve, in the configuration's order.
	Agents []config.Agent
	// Launcher starts conversations and sends messages to them.
	Launcher launch.Launcher
	// Operator reads, lists and ends conversations.
	Operator *operate.Operator
	// Logger receives what is served and what fails. Default: no log.
	Logger *slog.Logger
}

// Agents returns the agents that a platform instance serves: those that name it, or all
// agents if none does.
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

	outage  *outage
	sends   admission    // calls that may wait for a reply
	reads   admission    // all others
	ingests admission    // messages of the inbox
	waiting atomic.Int64 // calls that wait for a reply
	logged  logged

	mu      sync.Mutex
	running int           // calls
	idle    chan struct{} // closed when running is zero; nil: Stop does not wait
}

// New returns a server, which does nothing before [Server.Start].
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
		sends:   newAdmission(cfg.Platform.Config().Concurrency),
		reads:   newAdmission(cfg.Platform.Config().Concurrency),
		ingests: newAdmission(cfg.Platform.Config().Concurrency),
	}, nil
}

// Start connects in the background and serves until [Server.Stop]. Its error is that the
// platform is closed.
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

// Stop withdraws the functions, so that the engine sends no more calls, and returns once
// those that run have ended, or with an error when ctx is done. It does not close the
// connection, which belongs to the platform.
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
	idle := make(chan struct{})
	if s.running == 0 {
		close(idle)
	} else {
		s.idle = idle
	}
	s.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		return fmt.Errorf("iiiserve: stop: %d calls still wait for a reply, their callers must retry: %w", s.running, ctx.Err())
	}
}

// id is the id of one of our functions.
func (s *Server) id(name string) string { return s.cfg.Prefix + "::" + name }
