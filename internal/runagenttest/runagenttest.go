// Package runagenttest is a stand-in for RunAgent's servers: "runagent serve" with
// one agent or more, or with a key the cloud. It answers as the real ones do,
// their odd habits included, counts what was run, and fails on demand.
//
// Where the real ones are unkind, so is the stand-in: an agent goes on when its caller
// has gone, idle connections are closed after five seconds, ids are matched after
// decoding, a run that failed is a 200. A stream alone ends with its socket.
//
// What differs still: it serves several agents on one address, where "runagent serve"
// serves one; it sends no pings of its own over a stream; the cloud's rate limits,
// execution limits and asynchronous runs, which no document describes, do not exist.
package runagenttest

import (
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite" // writes the registry

	"github.com/stretchr/testify/require"
)

// A Call is one request to run an agent.
type Call struct {
	Agent            string
	Entrypoint       string          `json:"entrypoint_tag"`
	Args             []any           `json:"input_args"`
	Kwargs           map[string]any  `json:"input_kwargs"`
	TimeoutSeconds   int             `json:"timeout_seconds"`
	UserID           string          `json:"user_id"`
	PersistentMemory bool            `json:"persistent_memory"`
	Body             json.RawMessage `json:"-"` // as it came
	// Gone is closed when the caller has gone. The agent continues.
	Gone <-chan struct{} `json:"-"`
}

// An Entrypoint is a function of an agent. Its error is the exception that the
// agent raises.
type Entrypoint func(ctx context.Context, call Call) (any, error)

// A Stream is an entrypoint that streams: it sends chunk by chunk.
type Stream func(ctx context.Context, call Call, send func(chunk any)) error

// An Agent is served under an id, with its entrypoints by tag.
type Agent struct {
	ID          string
	Entrypoints map[string]Entrypoint
	Streams     map[string]Stream // their tags end in "_stream"
}

func (a Agent) tags() []string {
	return slices.Sorted(func(yield func(string) bool) {
		for tag := range a.Entrypoints {
			if !yield(tag) {
				return
			}
		}
		for tag := range a.Streams {
			if !yield(tag) {
				return
			}
		}
	})
}

// A Server is a running stand-in.
type Server struct {
	http   *httptest.Server
	agents map[string]Agent

	mu          sync.Mutex
	key         string
	shape       Shape
	faults      []Fault
	calls       []Call
	invocations []invocation
	unlisted    bool
	lists       int

	// running ends when the server closes: an agent's own thread continues after its
	// caller has gone.
	running context.Context //nolint:containedctx // of the server's life
	stop    context.CancelFunc
}

// idleTimeout is the time after which Uvicorn closes an unused connection.
const idleTimeout = 5 * time.Second

// Start serves the agents until the test ends.
func Start(t testing.TB, agents ...Agent) *Server {
	t.Helper()
	s := &Server{agents: map[string]Agent{}}
	for _, a := range agents {
		s.agents[a.ID] = a
	}
	s.http = httptest.NewUnstartedServer(s.routes())
	s.http.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.http.Config.IdleTimeout = idleTimeout
	s.running, s.stop = context.WithCancel(context.Background())
	s.http.Start()
	t.Cleanup(s.Close)
	return s
}

// Close ends the server: new connections are refused.
func (s *Server) Close() {
	s.stop()
	s.http.CloseClientConnections()
	s.http.Close()
}

// URL is the server's address without /api/v1.
func (s *Server) URL() string { return s.http.URL }

// Client is a client that keeps no connection once the server has closed.
func (s *Server) Client() *http.Client { return s.http.Client() }

// Address is the server's address.
func (s *Server) Address() (host string, port int) {
	host, text, _ := net.SplitHostPort(s.http.Listener.Addr().String()) // a listener's address has both
	port, _ = strconv.Atoi(text)
	return host, port
}

// RequireKey makes the server act as the cloud: without the key it answers 401, and a
// stream has it as a token in its address.
func (s *Server) RequireKey(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.key = key
}

// HideEntrypoints removes the route that lists entrypoints.
func (s *Server) HideEntrypoints() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unlisted = true
}

// Lists counts how often entrypoints have been listed.
func (s *Server) Lists() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lists
}

// Calls are the runs that have begun, in order. No agent: those of all.
func (s *Server) Calls(agent string) []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.calls), func(c Call) bool { return agent != "" && c.Agent != agent })
}

// Runs counts the runs of an agent that have begun.
func (s *Server) Runs(agent string) int { return len(s.Calls(agent)) }

// Register writes the server's agents into RunAgent's registry in that folder, as
// "runagent serve" does.
func (s *Server) Register(t testing.TB, cacheDir string) {
	t.Helper()
	host, port := s.Address()
	for _, id := range slices.Sorted(maps.Keys(s.agents)) {
		Register(t, cacheDir, id, host, port)
	}
}

// Register writes one agent into the registry.
func Register(t testing.TB, cacheDir, id, host string, port int) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(cacheDir, "runagent_local.db"))
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	_, err = db.ExecContext(t.Context(), `CREATE TABLE IF NOT EXISTS agents (
		agent_id VARCHAR NOT NULL PRIMARY KEY, agent_path VARCHAR NOT NULL, host VARCHAR NOT NULL, port INTEGER NOT NULL,
		framework VARCHAR, status VARCHAR, is_local BOOLEAN)`)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), `INSERT OR REPLACE INTO agents VALUES (?, '/agents/' || ?, ?, ?, 'default', 'serving', 1)`, id, id, host, port)
	require.NoError(t, err)
}
