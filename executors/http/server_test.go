package http_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	agent "github.com/parley-run/parley/executors/http"
	"github.com/parley-run/parley/executors/wire"
	"github.com/parley-run/parley/internal/secret"
)

const (
	token      = "pk-very-secret-token-0123456789"
	headerKey  = "hk-other-secret-9876543210"
	hmacSecret = "hm-shared-secret-1234567890"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = log.New(io.Discard, "", 0)

// serve starts an agent.
func serve(t *testing.T, handle func(w http.ResponseWriter, r *http.Request, req wire.Request)) *httptest.Server {
	t.Helper()
	return newServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var req wire.Request
		data, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if len(data) > 0 {
			if err := json.Unmarshal(data, &req); err != nil {
				t.Errorf("the request is no JSON: %v", err)
			}
		}
		handle(w, r, req)
	}))
}

func newServer(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = quiet
	server.Start()
	t.Cleanup(server.Close)
	return server
}

// newExecutor makes an executor for the agent, with secrets of every kind.
func newExecutor(t *testing.T, server *httptest.Server, changes ...func(*agent.Config)) *agent.Executor {
	t.Helper()
	cfg := agent.Config{
		URL: server.URL + "/reply", BearerToken: token,
		Headers:    map[string]secret.String{"X-Api-Key": headerKey},
		HMAC:       agent.HMAC{Secret: hmacSecret},
		HTTPClient: server.Client(),
	}
	for _, change := range changes {
		if change != nil {
			change(&cfg)
		}
	}
	e, err := agent.New(cfg)
	require.NoError(t, err)
	return e
}

func streaming(c *agent.Config) { c.Stream = true }

func writeJSON(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// writeEvents streams. An event is its data, a comment (": …"), or as it stands
// ("event: …").
func writeEvents(w http.ResponseWriter, events ...string) {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	for _, event := range events {
		if !strings.HasPrefix(event, ":") && !strings.HasPrefix(event, "event:") {
			event = "data: " + event
		}
		_, _ = fmt.Fprintf(w, "%s\n\n", event)
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
	}
}

func toJSON(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(data)
}
