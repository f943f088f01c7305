package runagent

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// A silent agent is pinged, so that no proxy takes the connection for a
// dead one; where no pong comes it is dead, and the run is told.
func TestKeepAlive(t *testing.T) {
	t.Parallel()
	pings := make(chan struct{}, 100)
	for name, c := range map[string]struct {
		serve  func(ctx context.Context, conn *websocket.Conn)
		within time.Duration
		end    websocket.StatusCode // -1: without a word
	}{
		"Silent": {func(ctx context.Context, conn *websocket.Conn) {
			conn.CloseRead(ctx) // answers pings
			for range 3 {
				<-pings
			}
			_ = conn.Close(websocket.StatusGoingAway, "")
		}, time.Minute, websocket.StatusGoingAway},
		"Gone": {func(ctx context.Context, _ *websocket.Conn) { <-ctx.Done() }, 20 * time.Millisecond, -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
					OnPingReceived: func(context.Context, []byte) bool {
						pings <- struct{}{}
						return true
					},
				})
				if err != nil {
					t.Errorf("accept: %v", err)
					return
				}
				defer func() { _ = conn.CloseNow() }()
				c.serve(ctx, conn)
			}))
			defer server.Close()
			defer cancel()
			conn, _, err := websocket.Dial(t.Context(), server.URL, &websocket.DialOptions{HTTPClient: server.Client()})
			require.NoError(t, err)
			stop := keepAlive(t.Context(), conn, 5*time.Millisecond, c.within)
			defer stop()
			_, _, err = conn.Read(t.Context())
			require.Error(t, err)
			require.Equal(t, c.end, websocket.CloseStatus(err))
		})
	}
}
