package httpclient_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/httpclient"
)

func TestReasonNamesNoAddress(t *testing.T) {
	t.Parallel()
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, nobody.Close())
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	server.Start()
	t.Cleanup(server.Close)
	client := httpclient.New(httpclient.Config{Guard: &httpclient.Guard{AllowAll: true}})
	t.Cleanup(client.CloseIdleConnections)
	for address, want := range map[string]string{
		"http://" + nobody.Addr().String() + "/a?token=secret": "connection refused",
		"http://no-such-host.invalid/":                         "no such host",
		server.URL:                                             "the server closed the connection without an answer",
	} {
		_, err := client.Post(address, "text/plain", strings.NewReader("x")) //nolint:bodyclose // it fails
		require.Error(t, err)
		got := httpclient.Reason(err)
		require.Contains(t, got.Error(), want)
		require.NotContains(t, got.Error(), "127.0.0.1")
		require.NotContains(t, got.Error(), "invalid")
		require.NotContains(t, got.Error(), "secret")
		require.ErrorIs(t, got, err)
	}
	require.ErrorIs(t, httpclient.Reason(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}), syscall.ECONNREFUSED)
	require.ErrorIs(t, httpclient.Reason(io.ErrUnexpectedEOF), io.ErrUnexpectedEOF)
}
