package server

import (
	"fmt"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseAddress(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"127.0.0.1:7233": "127.0.0.1:7233",
		"localhost:7233": "127.0.0.1:7233",
		":7233":          "127.0.0.1:7233", // loopback, not the world
		"0.0.0.0:7233":   "127.0.0.1:7233",
		"[::1]:7233":     "[::1]:7233",
		"[::]:7233":      "[::1]:7233",
		"10.1.2.3:0":     "10.1.2.3:0",
	} {
		ip, port, err := parseAddress(address)
		require.NoError(t, err, address)
		require.Equal(t, want, reservation{ip: ip, port: port}.dialable(), address)
	}
	for _, address := range []string{"", "7233", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", "example.org:80"} {
		_, _, err := parseAddress(address)
		require.Error(t, err, address)
	}
}

func TestReserve(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = taken.Close() }()
	address := taken.Addr().String()

	_, err = reserve(address, false)
	require.ErrorIs(t, err, errPortTaken)

	first, err := reserve(address, true)
	require.NoError(t, err)
	defer func() { _ = first.claim.Close() }()
	require.Greater(t, first.port, taken.Addr().(*net.TCPAddr).Port)

	// No process listens on the first one's port yet; it must not be used again all the
	// same.
	second, err := reserve(address, true)
	require.NoError(t, err)
	require.Greater(t, second.port, first.port)
	_, err = reserve(second.dialable(), false)
	require.ErrorIs(t, err, errPortTaken)

	require.NoError(t, second.claim.Close())
	again, err := reserve(fmt.Sprintf("localhost:%d", second.port), false)
	require.NoError(t, err)
	require.NoError(t, again.claim.Close())
}
