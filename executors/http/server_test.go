package http_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	agent "github.com/parley-run/parley/executors/http"
	"github.com/parley-run/parley/executors/internal/modeltest"
	"github.com/parley-run/parley/executors/wire"
	"github.com/parley-run/parley/secret"
)

const (
	token      = "pk-very-secret-token-0123456789"
	headerKey  = modeltest.HeaderKey
	hmacSecret = "hm-shared-secret-1234567890"
)

func TestMain(m *testing.M) { modeltest.Main(m, token, headerKey, hmacSecret) }

// serve starts an agent.
func serve(t *testing.T, handle func(w http.ResponseWriter, r *http.Request, req wire.Request)) *httptest.Server {
	t.Helper()
	return modeltest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var req wire.Request
		data, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if len(data) > 0 {
			if err := json.Unmarshal(data, &req); err != nil {
				t.Errorf("the request is not JSON: %v", err)
			}
		}
		handle(w, r, req)
	}))
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
