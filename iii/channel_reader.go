package iii

import (
	"context"
	"fmt"
	"io"

	"github.com/coder/websocket"
)

// A ChannelReader is the reading end of a channel. [ChannelReader.Next] returns messages
// and bytes in their order; [ChannelReader.Read], for use as an [io.Reader], returns the
// bytes alone. Only one goroutine may read at a time.
type ChannelReader struct {
	// OnMessage is called by Read with each message that it skips. Set it before the
	// first Read. Default: messages are dropped.
	OnMessage func(message string)

	end  *channelEnd
	rest []byte // of a piece that Read has begun
	err  error  // why there is no more
}

// OpenReader opens a reading end. It can be open once: a second reader gets [io.EOF] at
// once. It closes with [ChannelReader.Close], ctx or the worker. [ErrNotFound]: there is
// no such channel, or the engine has removed it.
func (w *Worker) OpenReader(ctx context.Context, ref ChannelRef) (*ChannelReader, error) {
	end, err := w.openChannel(ctx, ref, ChannelRead)
	if err != nil {
		return nil, err
	}
	return &ChannelReader{end: end}, nil
}

// Next returns the next message, or the next bytes. The error is [io.EOF] after the
// writer has closed; engines do not distinguish a writer that died.
// [ErrConnectionLost]: the connection broke, and with it the channel.
func (r *ChannelReader) Next() (ChannelItem, error) {
	if len(r.rest) > 0 {
		item := ChannelItem{Data: r.rest}
		r.rest = nil
		return item, nil
	}
	if r.err != nil {
		return ChannelItem{}, r.err
	}
	kind, data, err := r.end.ws.Read(r.end.ctx)
	if err == nil {
		return ChannelItem{Message: kind == websocket.MessageText, Data: data}, nil
	}
	switch cause := context.Cause(r.end.ctx); {
	case cause != nil:
		r.err = fmt.Errorf("iii: read from channel %s: %w", r.end.ref.ChannelID, cause)
	case websocket.CloseStatus(err) != -1:
		r.err = io.EOF
	default:
		// Not wrapped: err may wrap io.EOF, and this is not the end of the stream.
		r.err = fmt.Errorf("iii: read from channel %s: %w: %v", r.end.ref.ChannelID, ErrConnectionLost, err)
	}
	r.end.cancel(r.err)
	return ChannelItem{}, r.err
}

// Read reads bytes of the stream, with the errors of [ChannelReader.Next].
func (r *ChannelReader) Read(p []byte) (int, error) {
	for len(p) > 0 && len(r.rest) == 0 {
		item, err := r.Next()
		switch {
		case err != nil:
			return 0, err
		case !item.Message:
			r.rest = item.Data
		case r.OnMessage != nil:
			r.OnMessage(string(item.Data))
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// Close closes the end. The writer's next write fails.
func (r *ChannelReader) Close() error {
	// No Close frame: engines do not read from this side.
	r.end.cancel(io.ErrClosedPipe)
	return nil
}
