package loopback_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/loopback"
)

func TestGuard(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(loopback.Guard(http.NotFoundHandler()))
	t.Cleanup(server.Close)
	for host, want := range map[string]int{
		"":                           http.StatusNotFound, // as dialled
		"localhost:3001":             http.StatusNotFound,
		"LOCALHOST.":                 http.StatusNotFound,
		"127.0.0.1":                  http.StatusNotFound,
		"[::1]:80":                   http.StatusNotFound,
		"app.localhost":              http.StatusNotFound,
		"simulator:3001":             http.StatusNotFound,
		"host.docker.internal:3001":  http.StatusNotFound,
		"attacker.example:3001":      http.StatusMisdirectedRequest,
		"127.0.0.1.attacker.example": http.StatusMisdirectedRequest,
		"localhost.attacker.example": http.StatusMisdirectedRequest,
		"attacker.example.":          http.StatusMisdirectedRequest,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		require.NoError(t, err)
		req.Host = host
		resp, err := server.Client().Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, want, resp.StatusCode, host)
	}
}
