package iii

import (
	"context"
	"net/http"
	"net/url"

	"github.com/coder/websocket"
)

// open dials a path below the engine's address with this worker's credentials; empty is
// the address itself. status is that of an HTTP answer in place of a WebSocket, else 0.
func (w *Worker) open(ctx context.Context, path string, query url.Values) (_ *websocket.Conn, status int, _ error) {
	u, err := url.Parse(w.at.dial)
	if err != nil {
		panic(err) // Options.endpoint returned a valid URL
	}
	if path != "" {
		u = u.JoinPath(path)
	}
	merged := u.Query()
	for name, values := range query {
		merged[name] = values
	}
	u.RawQuery = merged.Encode()
	ctx, cancel := context.WithTimeout(ctx, w.opts.HandshakeTimeout)
	defer cancel()
	ws, response, err := websocket.Dial(ctx, u.String(), &websocket.DialOptions{
		HTTPClient:      w.opts.HTTPClient,
		HTTPHeader:      w.opts.Headers,
		CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		if response != nil && response.StatusCode != http.StatusSwitchingProtocols {
			status = response.StatusCode
		}
		return nil, status, dialError(ctx, response, err)
	}
	ws.SetReadLimit(w.opts.ReadLimit)
	return ws, 0, nil
}

// writeMessage writes one message, in several frames if it is large.
func writeMessage(ctx context.Context, ws *websocket.Conn, kind websocket.MessageType, message []byte) error {
	if len(message) <= frameLimit {
		return ws.Write(ctx, kind, message)
	}
	parts, err := ws.Writer(ctx, kind)
	if err != nil {
		return err
	}
	for len(message) > 0 {
		n := min(frameLimit, len(message))
		if _, err := parts.Write(message[:n]); err != nil {
			return err
		}
		message = message[n:]
	}
	return parts.Close()
}
