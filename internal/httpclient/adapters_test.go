package httpclient_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/a2a"
	"github.com/parley-run/parley/executors/anthropic"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/gemini"
	executorhttp "github.com/parley-run/parley/executors/http"
	"github.com/parley-run/parley/executors/openai"
	"github.com/parley-run/parley/executors/runagent"
	"github.com/parley-run/parley/internal/callback"
	"github.com/parley-run/parley/internal/lease"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/onerun"
	"github.com/parley-run/parley/platforms/pulse"
	"github.com/parley-run/parley/secret"
	"github.com/parley-run/parley/tools"
	"github.com/parley-run/parley/tools/mcp"
)

// An adapter makes one call with an effect at the server.
type adapter struct {
	name string
	call func(t *testing.T, server string) func(context.Context) error
}

func adapters() []adapter {
	ref := conversation.Ref{Platform: "p", Project: "pr", Simulation: "s", Agent: "a", ID: "c"}
	atOneRun := func(do func(context.Context, *onerun.Platform) error) func(*testing.T, string) func(context.Context) error {
		return func(t *testing.T, server string) func(context.Context) error {
			p, err := onerun.New(onerun.Config{BaseURL: server, APIKey: "key"})
			require.NoError(t, err)
			t.Cleanup(p.Client().CloseIdleConnections)
			return func(ctx context.Context) error { return do(ctx, p) }
		}
	}
	executor := func(make func(server string) (executors.Executor, error)) func(*testing.T, string) func(context.Context) error {
		return func(t *testing.T, server string) func(context.Context) error {
			e, err := make(server)
			require.NoError(t, err)
			return func(ctx context.Context) error {
				_, err := e.Execute(ctx, executortest.Request("c1", "Hi"))
				return err
			}
		}
	}
	return []adapter{
		{"onerun claim", atOneRun(func(ctx context.Context, p *onerun.Platform) error { return p.Claim(ctx, ref) })},
		{"onerun end", atOneRun(func(ctx context.Context, p *onerun.Platform) error { return p.End(ctx, ref) })},
		{"onerun send", atOneRun(func(ctx context.Context, p *onerun.Platform) error {
			_, err := p.Send(ctx, ref, platforms.Send{IdempotencyKey: "k", Messages: []conversation.Message{conversation.Text(conversation.RoleAssistant, "Hi")}})
			return err
		})},
		{"pulse claim", func(t *testing.T, server string) func(context.Context) error {
			p, err := pulse.New(pulse.Config{URL: server, Key: "key"})
			require.NoError(t, err)
			return func(ctx context.Context) error {
				_, err := p.Claim(ctx, conversation.Ref{Platform: "pulse", Simulation: "t", ID: "t@1700000000"}, platforms.Claim{Worker: "w"})
				return err
			}
		}},
		{"openai chat", executor(func(server string) (executors.Executor, error) {
			return openai.New(openai.Config{ModelConfig: executors.ModelConfig{Model: "m", APIKey: "key", BaseURL: server}, API: openai.APIChat})
		})},
		{"openai responses", executor(func(server string) (executors.Executor, error) {
			return openai.New(openai.Config{ModelConfig: executors.ModelConfig{Model: "m", APIKey: "key", BaseURL: server}, API: openai.APIResponses})
		})},
		{"anthropic", executor(func(server string) (executors.Executor, error) {
			return anthropic.New(anthropic.Config{ModelConfig: executors.ModelConfig{Model: "m", APIKey: "key", BaseURL: server}})
		})},
		{"gemini", executor(func(server string) (executors.Executor, error) {
			return gemini.New(gemini.Config{ModelConfig: executors.ModelConfig{Model: "m", APIKey: "key", BaseURL: server}})
		})},
		{"http", executor(func(server string) (executors.Executor, error) {
			return executorhttp.New(executorhttp.Config{URL: server})
		})},
		{"a2a", executor(func(server string) (executors.Executor, error) {
			return a2a.New(a2a.Config{URL: server})
		})},
		{"runagent", executor(func(server string) (executors.Executor, error) {
			u, err := url.Parse(server)
			if err != nil {
				return nil, err
			}
			host, port, err := net.SplitHostPort(u.Host)
			if err != nil {
				return nil, err
			}
			n, err := strconv.Atoi(port)
			no := false
			return must(runagent.New(runagent.Config{
				Mode: runagent.ModeLocal, Host: host, Port: n, AgentID: "a", Entrypoint: "main", Validate: &no,
				LookupEnv: func(string) (string, bool) { return "", false },
			}))(err)
		})},
		{"mcp", func(t *testing.T, server string) func(context.Context) error {
			set, err := mcp.New(mcp.Config{URL: server + "/mcp", Headers: map[string]secret.String{"Idempotency-Key": "k"}})
			require.NoError(t, err)
			t.Cleanup(func() { _ = set.Close() })
			return func(ctx context.Context) error {
				_, err := set.Call(ctx, tools.Call{Name: "refund", Key: "k", Arguments: json.RawMessage(`{}`)})
				return err
			}
		}},
		{"callback", func(t *testing.T, server string) func(context.Context) error {
			s, err := callback.New(callback.Config{AllowPrivate: []string{"all"}})
			require.NoError(t, err)
			return func(ctx context.Context) error {
				_, err := s.Deliver(ctx, server, "k", conversation.TaskResult{TaskID: "t", Finished: time.Now()})
				return err
			}
		}},
	}
}

// must prefers the earlier error.
func must[T executors.Executor](e T, err error) func(error) (executors.Executor, error) {
	return func(before error) (executors.Executor, error) { return e, errors.Join(before, err) }
}

// effects is a server that counts the requests with an effect. It answers the first
// with an error and keeps the connection; it reads every later one whole and closes
// the connection without an answer. What only prepares for them it answers.
type effects struct {
	*httptest.Server
	tools http.Handler

	mu      sync.Mutex
	counted int
	reused  int // of those after the first, on a connection that had been used
	context string
}

type usesKey struct{}

func newEffects(t *testing.T) *effects {
	t.Helper()
	s := &effects{}
	server := sdk.NewServer(&sdk.Implementation{Name: "shop"}, nil)
	s.tools = sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return server }, &sdk.StreamableHTTPOptions{JSONResponse: true})
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		return context.WithValue(ctx, usesKey{}, new(int))
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func (s *effects) serve(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	uses := req.Context().Value(usesKey{}).(*int) // a connection has one request at a time
	*uses++
	switch {
	case req.URL.Path == "/.well-known/agent-card.json":
		_, _ = io.WriteString(w, `{"name":"agent","url":"/rpc","preferredTransport":"JSONRPC"}`)
		return
	case req.Method == http.MethodGet && req.URL.Path == "/api/tasks/t", req.Method == http.MethodGet && req.URL.Path == "/tasks/t":
		_, _ = io.WriteString(w, `{"id":"t","status":"active","next_execution":1700000000}`)
		return
	case req.URL.Path == "/mcp" && !bytes.Contains(body, []byte(`"tools/call"`)):
		req.Body = io.NopCloser(bytes.NewReader(body))
		s.tools.ServeHTTP(w, req)
		return
	case req.Method == http.MethodGet:
		http.Error(w, `{"detail":"not here"}`, http.StatusNotFound)
		return
	}
	s.mu.Lock()
	s.counted++
	s.context = req.Header.Get("Traceparent")
	first := s.counted == 1
	if !first && *uses > 1 {
		s.reused++
	}
	s.mu.Unlock()
	if !first {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = io.WriteString(w, `{"detail":"warming up"}`)
}

// traced is the trace context of the newest request.
func (s *effects) traced() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.context
}

func (s *effects) counts() (all, reused int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counted, s.reused
}

// A kept connection that breaks after a request must not make it be sent again.
func TestEveryAdapterSendsOnce(t *testing.T) {
	t.Parallel()
	for _, a := range adapters() {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			server := newEffects(t)
			call := a.call(t, server.URL)
			require.Error(t, call(t.Context()))
			all, _ := server.counts()
			require.Equal(t, 1, all)
			require.Error(t, call(t.Context()))
			all, reused := server.counts()
			require.Equal(t, 2, all, "one request a call")
			require.Equal(t, 1, reused, "the second call was to meet a kept connection")
		})
	}
}

// An attempt that loses its right to act while it connects sends nothing, and its error
// says so.
func TestEveryAdapterHoldsTheRight(t *testing.T) {
	t.Parallel()
	for _, a := range adapters() {
		for name, checks := range map[string]int32{"before": 0, "while connecting": 1} {
			t.Run(a.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				server := newEffects(t)
				call := a.call(t, server.URL)
				h := &holder{}
				h.left.Store(checks)
				err := call(lease.With(t.Context(), h))
				all, _ := server.counts()
				require.Zero(t, all)
				var e *conversation.Error
				require.ErrorAs(t, err, &e)
				require.False(t, e.Ambiguous, "%v", err)
				require.Equal(t, conversation.Unavailable, e.Kind, "%v", err)
				require.ErrorContains(t, err, "nothing was sent")
				require.ErrorContains(t, err, errLost.Err.Error())
			})
		}
	}
}

// An error names the target of the request at most once.
func TestEveryAdapterNamesTheAddressOnce(t *testing.T) {
	t.Parallel()
	away := httptest.NewServer(http.NotFoundHandler())
	away.Close()
	hangsUp := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(hangsUp.Close)
	for _, a := range adapters() {
		for name, server := range map[string]string{"away": away.URL, "hangs up": hangsUp.URL} {
			err := a.call(t, server)(t.Context())
			require.Error(t, err, "%s: %s", a.name, name)
			port := server[strings.LastIndex(server, ":")+1:]
			require.LessOrEqual(t, strings.Count(err.Error(), port), 1, "%s: %s: %v", a.name, name, err)
			require.NotContains(t, err.Error(), "EOF", "%s: %s", a.name, name)
		}
	}
}
