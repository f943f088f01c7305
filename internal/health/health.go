// Package health serves the state of a worker to orchestrators and operators:
//
//	/healthz  the process is alive
//	/readyz   Temporal answers, the last poll of every inbox succeeded, iii engines are
//	          connected, and some version of the worker gets new work
//	/readyz?scope=worker
//	          the same without what depends on other workers: inboxes and versions
//	/metrics  for Prometheus
//
// It listens on loopback by default: there is no key, and metrics name agents. There, web
// pages cannot reach it by names of their own.
package health

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/parley-run/parley/internal/loopback"
	"github.com/parley-run/parley/workflows"
)

// DefaultAddress is where a worker listens by default.
const DefaultAddress = "127.0.0.1:8089"

const (
	// heldFor is how long one answer serves all probes.
	heldFor = time.Second
	// answerWithin is how long Temporal may take to answer.
	answerWithin = 3 * time.Second
	// scopeWorker asks /readyz for [Checker.CheckWorker].
	scopeWorker = "worker"
)

// Temporal is the part of a client.Client that a [Checker] needs.
type Temporal interface {
	CheckHealth(ctx context.Context, request *client.CheckHealthRequest) (*client.CheckHealthResponse, error)
	DescribeWorkflowExecution(ctx context.Context, workflowID, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error)
	QueryWorkflow(ctx context.Context, workflowID, runID, queryType string, args ...any) (converter.EncodedValue, error)
}

// Config is what a [Checker] needs.
type Config struct {
	// Temporal may be nil until [Checker.Connected].
	Temporal Temporal
	// Inboxes are those of the agents that this worker serves. None: only Temporal is
	// checked.
	Inboxes []workflows.InboxInput
	// Connections are those that the worker needs besides Temporal's.
	Connections []Connection
	// Converter decodes heartbeats, with the codec if there is one. Nil: the SDK's
	// default.
	Converter converter.DataConverter
	// Namespace is Temporal's: a codec may keep one key for each workflow in it.
	Namespace string
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// A Connection is one to a service that sends work to the worker.
type Connection struct {
	Name string
	// Err is why there is no connection at the moment, nil while there is one.
	Err func() error
}

// A Report is the body of /readyz.
type Report struct {
	Ready bool `json:"ready"`
	// Reasons are why it is not, or what an operator should know in any case.
	Reasons []string  `json:"reasons,omitempty"`
	Checked time.Time `json:"checked"`
	Inboxes []Inbox   `json:"inboxes,omitempty"`
}

// A Checker checks whether a worker is ready.
type Checker struct {
	cfg      Config
	draining atomic.Bool
	works    atomic.Pointer[func() (detail string, ok bool)]

	mu   sync.Mutex
	last reports
	seen map[string]Inbox // each inbox with its last known poll
}

// reports are made together, and each serves the probes that ask for it.
type reports struct{ all, worker Report }

// NewChecker returns a checker.
func NewChecker(cfg Config) *Checker {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Checker{cfg: cfg, seen: make(map[string]Inbox)}
}

// Connected sets the fields of [Config] that exist only after the start; payloads is
// Converter.
func (c *Checker) Connected(temporal Temporal, namespace string, payloads converter.DataConverter, inboxes []workflows.InboxInput) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cfg.Temporal, c.cfg.Namespace, c.cfg.Converter = temporal, namespace, payloads
	c.cfg.Inboxes, c.last = inboxes, reports{}
}

// Drain makes the worker not ready until its end.
func (c *Checker) Drain() { c.draining.Store(true) }

// Follow adds to the reports whether the worker gets work at all, and what an operator
// should know in any case: it may get none because of its version.
func (c *Checker) Follow(works func() (detail string, ok bool)) { c.works.Store(&works) }

// Check returns a report that is at most about a second old.
func (c *Checker) Check(ctx context.Context) Report { return c.check(ctx).all }

// CheckWorker reports on this worker alone: whether it could take work, if there were any
// for its version. It is not ready before it begins to work.
//
// A new version's workers must become ready before the version is made current, and until
// then no inbox may poll. What makes it current waits for this report.
func (c *Checker) CheckWorker(ctx context.Context) Report { return c.check(ctx).worker }

func (c *Checker) check(ctx context.Context) reports {
	if c.draining.Load() {
		r := Report{Reasons: []string{"the worker is draining"}, Checked: c.cfg.Now().UTC()}
		return reports{r, r}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.cfg.Now(); c.last.all.Checked.IsZero() || now.Sub(c.last.all.Checked) >= heldFor {
		c.last = c.report(ctx)
	}
	return c.last
}

func (c *Checker) report(ctx context.Context) reports {
	if c.cfg.Temporal == nil {
		r := Report{Reasons: []string{"the worker has no connection to Temporal yet"}, Checked: c.cfg.Now().UTC()}
		return reports{r, r}
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	all, own := Report{Ready: true}, Report{Ready: true}
	fault := func(text string) {
		all.Ready, own.Ready = false, false
		all.Reasons, own.Reasons = append(all.Reasons, text), append(own.Reasons, text)
	}
	if _, err := c.cfg.Temporal.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
		fault(fmt.Sprintf("Temporal does not answer: %v", err))
	} else {
		all.Inboxes = c.inboxes(ctx)
	}
	for _, inbox := range all.Inboxes {
		all.Ready = all.Ready && inbox.OK
		if inbox.Detail != "" {
			all.Reasons = append(all.Reasons, inbox.Name+": "+inbox.Detail)
		}
	}
	for _, connection := range c.cfg.Connections {
		if err := connection.Err(); err != nil {
			fault(fmt.Sprintf("%s: %v", connection.Name, err))
		}
	}
	if works := c.works.Load(); works != nil {
		detail, ok := (*works)()
		all.Ready = all.Ready && ok
		if detail != "" {
			all.Reasons = append(all.Reasons, detail)
		}
	} else {
		own.Ready = false
		own.Reasons = append(own.Reasons, "the worker has not begun to work yet")
	}
	all.Checked = c.cfg.Now().UTC()
	own.Checked = all.Checked
	return reports{all, own}
}

// Handler serves the three pages. Without metrics there are two.
func (c *Checker) Handler(metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		// The report serves other probes too: the first one may disconnect.
		both := c.check(context.WithoutCancel(r.Context()))
		report := both.all
		switch scope := r.URL.Query().Get("scope"); scope {
		case "":
		case scopeWorker:
			report = both.worker
		default:
			http.Error(w, fmt.Sprintf("scope=%q: use scope=%s, or none", scope, scopeWorker), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		if !report.Ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		_ = encoder.Encode(report)
	})
	if metrics != nil {
		mux.Handle("GET /metrics", metrics)
	}
	return mux
}

// ErrInUse: another process listens at the address.
var ErrInUse = errors.New("in use")

// A Server serves the pages until it is closed.
type Server struct {
	server *http.Server
	addr   net.Addr
	done   chan struct{}
}

// Serve listens at the address, in the background.
func Serve(ctx context.Context, address string, handler http.Handler, logger *slog.Logger) (*Server, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("health: %s is %w, perhaps by another worker (choose another with --health-addr, "+
			"127.0.0.1:0 for any, \"\" for none)", address, ErrInUse)
	}
	if err != nil {
		return nil, fmt.Errorf("health: cannot listen at %q: %w (--health-addr wants host:port)", address, cause(err))
	}
	s := &Server{
		server: &http.Server{Handler: loopback.Guard(handler), ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn)},
		addr:   listener.Addr(),
		done:   make(chan struct{}),
	}
	go func() {
		defer close(s.done)
		if err := s.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			logger.Error("health pages are gone", "error", err)
		}
	}()
	return s, nil
}

// cause removes what the net package wraps around an error.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// Addr is where the server listens.
func (s *Server) Addr() string { return s.addr.String() }

// Close ends the server; requests under way have a moment to finish.
func (s *Server) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil {
		_ = s.server.Close()
	}
	<-s.done
}
