package iii

import (
	"context"
	"fmt"
	"io"
	"sync"
	"unicode/utf8"

	"github.com/coder/websocket"
)

// A ChannelWriter is the writing end of a channel. Its methods are safe for
// concurrent use; each Write and each message stays in one piece.
type ChannelWriter struct {
	end  *channelEnd
	gone chan struct{} // closed once the engine accepts no more

	mu     sync.Mutex
	closed bool
}

// OpenWriter opens a writing end. It can be open once: the writes of a second writer
// fail. It closes with [ChannelWriter.Close], ctx or the worker. [ErrNotFound]: there is
// no such channel, or the engine has removed it.
func (w *Worker) OpenWriter(ctx context.Context, ref ChannelRef) (*ChannelWriter, error) {
	end, err := w.openChannel(ctx, ref, ChannelWrite)
	if err != nil {
		return nil, err
	}
	c := &ChannelWriter{end: end, gone: make(chan struct{})}
	go func() {
		defer close(c.gone)
		for { // the engine sends only pongs, and the end
			if _, _, err := end.ws.Read(end.ctx); err != nil {
				end.cancel(io.ErrClosedPipe)
				return
			}
		}
	}()
	return c, nil
}

// Write writes bytes to the stream. It waits while the channel's buffer is full. The
// error is [io.ErrClosedPipe] once the reader has closed, if another writer has this end,
// or if the connection broke.
func (c *ChannelWriter) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n := 0; n < len(p); {
		part := p[n:min(n+channelFrame, len(p))]
		if err := c.write(websocket.MessageBinary, part); err != nil {
			return n, err
		}
		n += len(part)
	}
	return len(p), nil
}

// SendMessage sends a message, which readers receive apart from the bytes. It must be
// valid UTF-8; by convention it is JSON. It waits and fails as [ChannelWriter.Write] does.
func (c *ChannelWriter) SendMessage(message string) error {
	if !utf8.ValidString(message) {
		return fmt.Errorf("iii: message to channel %s: it is not valid UTF-8: write it as bytes", c.end.ref.ChannelID)
	}
	if len(message) > messageLimit {
		return fmt.Errorf("iii: message to channel %s: it has %d bytes, an engine accepts %d", c.end.ref.ChannelID, len(message), messageLimit)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.write(websocket.MessageText, []byte(message))
}

func (c *ChannelWriter) write(kind websocket.MessageType, data []byte) error {
	if err := writeMessage(c.end.ctx, c.end.ws, kind, data); err != nil {
		return c.fault()
	}
	return nil
}

// fault is the error of a write: the cause that closed the end, or [io.ErrClosedPipe].
func (c *ChannelWriter) fault() error {
	c.end.cancel(io.ErrClosedPipe)
	return fmt.Errorf("iii: write to channel %s: %w", c.end.ref.ChannelID, context.Cause(c.end.ctx))
}

// Close ends the stream. It returns once the engine has accepted everything that was
// written, so it waits for a slow reader; an error means that the engine has not. Closing
// twice is safe.
func (c *ChannelWriter) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	defer func() {
		c.end.cancel(io.ErrClosedPipe)
		<-c.gone
	}()
	// Engines handle frames in order: the pong comes after everything written before.
	if err := c.end.ws.Ping(c.end.ctx); err != nil {
		return c.fault()
	}
	_ = c.end.ws.Close(websocket.StatusNormalClosure, "") // a broken connection ends the stream, too
	return nil
}
