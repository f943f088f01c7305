package programtest

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is how long a test waits for what is sure to come.
const patience = 30 * time.Second

// A Roll knows who is alive: everybody who is holds a connection to its socket.
type Roll struct {
	Path     string // of the socket
	listener *net.UnixListener
}

// NewRoll opens a roll for as long as the test runs.
func NewRoll(t *testing.T) *Roll {
	t.Helper()
	// Not t.TempDir: a socket's path must be short.
	dir, err := os.MkdirTemp("", "roll")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	r := &Roll{Path: filepath.Join(dir, "s")}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", r.Path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	r.listener = listener.(*net.UnixListener)
	return r
}

// Next waits for one more to come to life.
func (r *Roll) Next(t *testing.T) net.Conn {
	t.Helper()
	require.NoError(t, r.listener.SetDeadline(time.Now().Add(patience)))
	conn, err := r.listener.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// Dies waits until the process that holds the connection has exited.
func Dies(t *testing.T, conn net.Conn) {
	t.Helper()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
	_, err := io.Copy(io.Discard, conn)
	require.NoError(t, err, "it lives on")
}
