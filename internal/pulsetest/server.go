package pulsetest

import (
	"cmp"
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/parley-run/parley/platforms/pulse"
)

// Intervals of Pulse's expiry and of its built-in worker.
const (
	expiryEvery  = 30 * time.Second
	builtInEvery = 10 * time.Second
	// IdleTimeout is the time after which Uvicorn, on which Pulse runs, closes an unused
	// connection. Servers of a stand-in should do so too.
	IdleTimeout = 5 * time.Second
	// tickEvery is how often Run calls Tick.
	tickEvery = time.Second
)

// A Server is a Pulse. It is an [http.Handler] and safe for concurrent use.
type Server struct {
	cfg    Config
	quirks Quirks
	mux    *http.ServeMux

	mu       sync.Mutex
	tasks    map[string]*task
	order    []*task // as scheduled
	claims   []Claim
	acks     []Ack
	requests map[string]int
	faults   []*Fault
	rivals   []*Rival
	expired  time.Time // when Tick last expired tasks
	worked   time.Time // when Tick last ran the built-in worker

	journal *journal // nil: nothing is kept
}

// New makes a Pulse without tasks.
func New(cfg Config) *Server {
	cfg.Stage = cmp.Or(cfg.Stage, pulse.StageC)
	s := &Server{cfg: cfg, quirks: QuirksOf(cfg.Stage), tasks: map[string]*task{}, requests: map[string]int{}}
	if cfg.Change != nil {
		cfg.Change(&s.quirks)
	}
	s.expired, s.worked = s.Now(), s.Now()
	s.mux = s.routes()
	return s
}

// Now is the server's time.
func (s *Server) Now() time.Time {
	if s.cfg.Clock != nil {
		return s.cfg.Clock.Now()
	}
	return time.Now()
}

// second is the server's time in whole seconds.
func (s *Server) second() int64 { return s.Now().Unix() }

// Run calls [Server.Tick] every second until ctx is done.
func (s *Server) Run(ctx context.Context) {
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.Tick()
		}
	}
}

// Tick does Pulse's background work that is due: tasks expire every 30 seconds, and the
// built-in worker, if there is one, runs every ten.
func (s *Server) Tick() {
	now := s.Now()
	s.mu.Lock()
	expire := now.Sub(s.expired) >= expiryEvery
	if expire {
		s.expired = now
	}
	work := s.cfg.BuiltIn && now.Sub(s.worked) >= builtInEvery
	if work {
		s.worked = now
	}
	s.mu.Unlock()
	if work {
		s.BuiltIn()
	}
	if expire {
		s.Expire()
	}
	_ = s.save() // an error remains, and fails the next request
}

// date is the oldest whole second that the Date header may show.
func (s *Server) date() time.Time {
	now := s.Now()
	at := now.Truncate(time.Second)
	for now.Sub(at.Add(-time.Second)) <= s.quirks.DateLag {
		at = at.Add(-time.Second)
	}
	return at
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", s.date().UTC().Format(http.TimeFormat))
	// Starlette matches paths after decoding them: "%2F" in an id is another route.
	r.URL.RawPath = ""
	s.mux.ServeHTTP(w, r)
	if r.Method == http.MethodGet {
		return
	}
	if err := s.save(); err != nil {
		panic(http.ErrAbortHandler) // what is not kept is not answered
	}
}
