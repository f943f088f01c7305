package sim

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parley-run/parley/internal/loopback"
)

// A Simulator is a OneRun-compatible platform. Make it with [New]; its methods
// are safe for concurrent use.
type Simulator struct {
	cfg     Config
	script  map[string]Persona // by key
	handler http.Handler
	journal *journal
	loop    eventLoop

	// ctx ends with Close and interrupts all waits. Requests run under it, not under
	// their own context: their effect comes even if the client has gone.
	ctx  context.Context
	stop context.CancelFunc
	bg   sync.WaitGroup

	closing  sync.Once
	closeErr error

	mu     sync.RWMutex
	st     *state
	key    string
	faults Faults
	totals totals
	// nextDue is when advance has something to do.
	nextDue time.Time
	// allDone is closed while every simulation is done.
	allDone chan struct{}
}

// New checks cfg, reads the state file if there is one, and starts making conversations.
// All faults are reported at once.
func New(cfg Config) (*Simulator, error) {
	cfg = cfg.withDefaults()
	if err := errors.Join(cfg.validate(), cfg.Scenario.Validate()); err != nil {
		return nil, fmt.Errorf("sim: %w", err)
	}
	s := &Simulator{cfg: cfg, st: newState(), key: cfg.APIKey, faults: cfg.Faults, script: map[string]Persona{}, allDone: make(chan struct{})}
	s.st.lenient = cfg.Lenient
	s.totals = newTotals()
	for _, p := range cfg.Scenario.Personas {
		s.script[p.Key] = p
	}
	if cfg.StateFile != "" {
		j, err := openJournal(cfg.StateFile, s.st)
		if err != nil {
			return nil, fmt.Errorf("sim: %w", err)
		}
		s.journal = j
	}
	if err := s.checkScripts(); err != nil {
		return nil, errors.Join(fmt.Errorf("sim: state file %q: %w", cfg.StateFile, err), s.journal.close())
	}
	s.handler = s.routes()
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.mu.Lock()
	s.advance(s.now())
	s.checkDone()
	s.mu.Unlock()
	s.bg.Go(s.run)
	return s, nil
}

// checkScripts checks that the scenario has every persona of the state file.
func (s *Simulator) checkScripts() error {
	var errs []error
	missing := map[string]bool{}
	for _, p := range s.st.persona {
		if _, ok := s.script[p.row.Key]; !ok && !missing[p.row.Key] {
			missing[p.row.Key] = true
			errs = append(errs, fmt.Errorf("it has a persona %q, which the scenario does not; use the scenario it was made with, or another file", p.row.Key))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// Handler serves the platform's API and the simulator's own, which is below
// /simulator/.
func (s *Simulator) Handler() http.Handler { return s.handler }

// Server serves [Simulator.Handler] with OneRun's timeouts. On a loopback address it
// refuses requests for other host names, so that no web page can reach it under a name
// of its own.
func (s *Simulator) Server() *http.Server {
	server := &http.Server{Handler: loopback.Guard(s.handler), ReadHeaderTimeout: 10 * time.Second}
	if !s.cfg.Lenient.Connections {
		server.IdleTimeout = idleTimeout
	}
	return server
}

// Close stops background work and pending calls, and writes the rest of the state file.
// Shut the HTTP server down first.
func (s *Simulator) Close() error {
	s.closing.Do(func() {
		s.stop()
		s.bg.Wait()
		s.closeErr = s.journal.close()
	})
	return s.closeErr
}

// SetFaults changes the faults from the next call on. Invalid faults change nothing and
// are returned as an error.
func (s *Simulator) SetFaults(f Faults) error {
	if err := f.Validate(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = f
	return nil
}

// SetAPIKey changes the key from the next call on. Empty: any caller is accepted.
func (s *Simulator) SetAPIKey(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.key = key
}

// Done is closed once every conversation of every current simulation has ended, or its
// simulation was cancelled or has expired. A simulation that comes later needs a new
// call.
func (s *Simulator) Done() <-chan struct{} {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.allDone
}

// Wait waits for [Simulator.Done].
func (s *Simulator) Wait(ctx context.Context) error {
	select {
	case <-s.Done():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Simulator) now() time.Time { return s.cfg.Clock().UTC() }

// commit makes a change. The caller holds mu, and waits for the journal before it
// answers.
func (s *Simulator) commit(e entry) {
	s.st.apply(e)
	s.journal.append(e)
}

// checkDone opens or closes allDone. The caller holds mu.
func (s *Simulator) checkDone() {
	all := len(s.st.simulations) > 0
	for _, sim := range s.st.simulations {
		all = all && sim.done()
	}
	select {
	case <-s.allDone:
		if !all {
			s.allDone = make(chan struct{})
		}
	default:
		if all {
			close(s.allDone)
		}
	}
}

// pause waits even if the client has gone. It fails if the simulator is closed
// meanwhile.
func (s *Simulator) pause(d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-s.ctx.Done():
		return errClosing
	}
}
