package onerun_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms/onerun"
)

const testKey = "key-0123456789abcdef"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	at  = onerun.Location{Project: "Pr98zY7xW6v5", Simulation: "S8f3kQ0aZp1LmN7xY2bVc", Conversation: "Cv7"}
	ref = conversation.Ref{
		Platform: "onerun", Project: at.Project, Simulation: at.Simulation, Agent: "Ag12bC3dE4f5", ID: at.Conversation,
	}
)

var quiet = log.New(io.Discard, "", 0)

// serve starts a server whose routes are patterns of http.ServeMux.
func serve(t testing.TB, routes map[string]http.HandlerFunc) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	for pattern, handler := range routes {
		mux.HandleFunc(pattern, handler)
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

// always answers every request alike.
func always(status int, header map[string]string, body string) map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{"/": answer(status, header, body)}
}

func answer(status int, header map[string]string, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		for name, value := range header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func ok(body string) http.HandlerFunc { return answer(http.StatusOK, nil, body) }

func detail(status int, text string) http.HandlerFunc {
	return answer(status, nil, fmt.Sprintf(`{"detail":%q}`, text))
}

func newClient(t testing.TB, cfg onerun.ClientConfig) *onerun.Client {
	t.Helper()
	if cfg.APIKey == "" {
		cfg.APIKey = testKey
	}
	c, err := onerun.NewClient(cfg)
	require.NoError(t, err)
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func newPlatform(t testing.TB, cfg onerun.Config) *onerun.Platform {
	t.Helper()
	if cfg.APIKey == "" {
		cfg.APIKey = testKey
	}
	p, err := onerun.New(cfg)
	require.NoError(t, err)
	t.Cleanup(p.Client().CloseIdleConnections)
	return p
}

// asError is the conversation.Error in err.
func asError(t testing.TB, err error) *conversation.Error {
	t.Helper()
	var e *conversation.Error
	require.ErrorAs(t, err, &e)
	return e
}
