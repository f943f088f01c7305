package uilink_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/uilink"
)

// A web interface beside the server is found; another program in its place is not taken
// for one.
func TestFind(t *testing.T) {
	t.Parallel()
	body := `{"DefaultNamespace":"default","Codec":{"Endpoint":""},"Version":"2.50.1"}`
	ui := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/settings" {
			_, _ = fmt.Fprint(w, body)
		}
	}))
	defer ui.Close()
	_, port, err := net.SplitHostPort(ui.Listener.Addr().String())
	require.NoError(t, err)
	number, err := strconv.Atoi(port)
	require.NoError(t, err)
	server := net.JoinHostPort("127.0.0.1", strconv.Itoa(number-1000))
	require.Equal(t, ui.URL, uilink.Find(t.Context(), server))
	require.Empty(t, uilink.Find(t.Context(), "temporal.example.com:"+strconv.Itoa(number-1000)), "another machine is not asked")
	require.Equal(t, "https://cloud.temporal.io", uilink.Find(t.Context(), "ns.a1.tmprl.cloud:7233"))
	for _, body = range []string{"", "<html>", "{}", `{"DefaultNamespace":"x"}`} {
		require.Empty(t, uilink.Find(t.Context(), server), body)
	}
	for _, malformed := range []string{"", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:65000", "127.0.0.1:0"} {
		require.Empty(t, uilink.Find(t.Context(), malformed))
	}
}
