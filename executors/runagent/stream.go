package runagent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/wire"
	"github.com/parley-run/parley/internal/lease"
)

const (
	// maxFrame bounds a frame, as in RunAgent's own clients.
	maxFrame = 10 << 20
	// The ping intervals are theirs too. Pings keep the connection open while an
	// agent is silent, and detect a lost peer.
	pingEvery  = 20 * time.Second
	pongWithin = 60 * time.Second
)

// A frame is one message of a stream.
type frame struct {
	Type    string          `json:"type"`
	Status  string          `json:"status"`
	Content json.RawMessage `json:"content"`
	Data    json.RawMessage `json:"data"`
	// Error comes from a run, Detail from a fault that prevented its start.
	Error  json.RawMessage `json:"error"`
	Detail json.RawMessage `json:"detail"`
}

// stream runs an entrypoint that streams, and assembles its chunks.
func (c *call) stream(ctx context.Context) (conversation.Message, error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return conversation.Message{}, err
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(maxFrame)
	// The handshake runs nothing; the next write does.
	if err := lease.Check(ctx); err != nil {
		return conversation.Message{}, err
	}
	c.connected.Store(true)
	if err := conn.Write(ctx, websocket.MessageText, c.body); err != nil {
		return conversation.Message{}, err
	}
	stop := keepAlive(ctx, conn, pingEvery, pongWithin)
	defer stop()
	chunks := &chunks{call: c}
	meter := modelcall.Meter{MaxReplyBytes: c.cfg.MaxReplyBytes}
	begun := false
	for {
		f, size, err := c.next(ctx, conn, begun)
		if err != nil {
			return conversation.Message{}, err
		}
		begun = begun || f.Type != "error"
		brings := false
		switch {
		case f.Type == "data":
			if brings, err = chunks.add(f); err != nil {
				return conversation.Message{}, err
			}
		case f.Type == "error":
			return conversation.Message{}, f.reported(begun)
		case f.Type == "status" && f.Status == "stream_completed":
			// The server closes too; there is no need to wait for it.
			return chunks.message()
		}
		if err := meter.Event(size, brings); err != nil {
			return conversation.Message{}, err
		}
		c.watch.Alive(f.Type == "data")
	}
}

// dial opens the connection. Some servers of the cloud read the key only from the
// address: errors must not repeat it.
func (c *call) dial(ctx context.Context) (*websocket.Conn, error) {
	at := webSocket(c.base.route(c.agent, "run-stream"))
	header := http.Header{}
	if !c.local {
		at += "?token=" + url.QueryEscape(c.key())
		header.Set("Authorization", "Bearer "+c.key())
	}
	conn, res, err := websocket.Dial(ctx, at, &websocket.DialOptions{HTTPClient: c.client, HTTPHeader: header})
	if err == nil {
		return conn, nil
	}
	if res != nil && res.StatusCode != http.StatusSwitchingProtocols && res.StatusCode != 0 {
		return nil, c.refusal(res)
	}
	return nil, err
}

// keepAlive pings until stopped, and closes the connection if no pong arrives.
func keepAlive(ctx context.Context, conn *websocket.Conn, every, within time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			pong, cancel := context.WithTimeout(ctx, within)
			err := conn.Ping(pong)
			cancel()
			if err != nil {
				_ = conn.CloseNow() // the reader gets the error
				return
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// next reads a frame, and returns its size too. The end of the connection is an error;
// before the run has begun, it may mean that the server rejects the run.
func (c *call) next(ctx context.Context, conn *websocket.Conn, begun bool) (frame, int, error) {
	kind, data, err := conn.Read(ctx)
	var closed websocket.CloseError
	switch {
	case errors.Is(err, websocket.ErrMessageTooBig):
		err = modelcall.ErrTooLarge
	case errors.As(err, &closed) && !begun && closed.Code == websocket.StatusUnsupportedData:
		err = &reported{text: turnedAway(closed), code: codeValidation}
	case errors.As(err, &closed) && !begun && closed.Code == websocket.StatusPolicyViolation:
		err = &reported{text: turnedAway(closed), code: codePermission}
	case errors.As(err, &closed):
		err = fmt.Errorf("%w (the server closed it with code %d)", modelcall.ErrCutOff, closed.Code)
	case err != nil && ctx.Err() == nil:
		err = fmt.Errorf("%w: %w", modelcall.ErrCutOff, err)
	}
	if err != nil {
		return frame{}, 0, err
	}
	f, err := parseFrame(kind, data)
	return f, len(data), err
}

func parseFrame(kind websocket.MessageType, data []byte) (frame, error) {
	if kind != websocket.MessageText || !utf8.Valid(data) {
		return frame{}, modelcall.ErrInvalidUTF8
	}
	var f frame
	if json.Unmarshal(data, &f) != nil {
		return frame{}, fmt.Errorf("%w: a frame of the stream is none", wire.ErrNotJSON)
	}
	return f, nil
}

func turnedAway(closed websocket.CloseError) string {
	text := fmt.Sprintf("the stream did not start: the server closed it with code %d", closed.Code)
	if closed.Reason != "" {
		text += ", " + closed.Reason
	}
	return text
}
