package iii

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/coder/websocket"
)

// channelFrame is how many bytes of a stream the SDKs put into one frame. An engine
// holds a number of frames for a slow reader, whatever their size.
const channelFrame = 64 << 10

// Directions of a [ChannelRef], as seen by the worker that opens it.
const (
	ChannelRead  = "read"
	ChannelWrite = "write"
)

// A ChannelRef is one end of a channel, not opened yet. It travels as plain JSON
// inside of any data: whoever gets it may open that end. It prints without its key.
type ChannelRef struct {
	ChannelID string `json:"channel_id"`
	AccessKey string `json:"access_key"`
	Direction string `json:"direction"` // ChannelRead or ChannelWrite
}

// Valid reports whether r can be opened at all.
func (r ChannelRef) Valid() bool {
	return r.ChannelID != "" && r.AccessKey != "" && (r.Direction == ChannelRead || r.Direction == ChannelWrite)
}

func (r ChannelRef) String() string { return r.Direction + " end of channel " + r.ChannelID }

// GoString keeps the key out of %#v.
func (r ChannelRef) GoString() string { return "iii.ChannelRef(" + r.String() + ")" }

// A Channel is a stream from one worker to another, through the engine. Pass one
// end on, in the data of a call, and open the other.
type Channel struct {
	Writer ChannelRef `json:"writer"`
	Reader ChannelRef `json:"reader"`
}

// CreateChannel makes a channel. buffer is how many messages or pieces of up to
// 64 KiB the engine holds before the writer must wait; zero: the engine's default,
// 64, at most 1024. A channel of which an end is not opened within five minutes is
// gone.
func (w *Worker) CreateChannel(ctx context.Context, buffer int, opts ...CallOption) (Channel, error) {
	var channel Channel
	result, err := w.Invoke(ctx, "engine::channels::create", struct {
		BufferSize int `json:"buffer_size,omitempty"`
	}{max(buffer, 0)}, opts...)
	if err != nil {
		return Channel{}, err
	}
	if err := json.Unmarshal(result, &channel); err != nil {
		return Channel{}, fmt.Errorf("iii: engine::channels::create: %w", err)
	}
	if !channel.Writer.Valid() || !channel.Reader.Valid() {
		return Channel{}, errors.New("iii: engine::channels::create: the answer lacks an end")
	}
	return channel, nil
}

// ChannelRefs finds every end of a channel in data, whatever its shape, by its JSON
// Pointer (RFC 6901): "/output", "/parts/0/reader", "" for data that is one itself.
// Where the shape is known, a field of the type [ChannelRef] does.
func ChannelRefs(data json.RawMessage) map[string]ChannelRef {
	refs := map[string]ChannelRef{}
	var value any
	if json.Unmarshal(data, &value) == nil {
		findRefs(refs, "", value)
	}
	return refs
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

func findRefs(refs map[string]ChannelRef, at string, value any) {
	switch value := value.(type) {
	case map[string]any:
		// Further keys do not matter: the engine adds one to the data of a call.
		var ref ChannelRef
		ref.ChannelID, _ = value["channel_id"].(string)
		ref.AccessKey, _ = value["access_key"].(string)
		ref.Direction, _ = value["direction"].(string)
		if ref.Valid() {
			refs[at] = ref
			return
		}
		for key, inner := range value {
			findRefs(refs, at+"/"+pointerEscapes.Replace(key), inner)
		}
	case []any:
		for i, inner := range value {
			findRefs(refs, at+"/"+strconv.Itoa(i), inner)
		}
	}
}

// channelEnd is an open end.
type channelEnd struct {
	ref    ChannelRef
	ws     *websocket.Conn
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// openChannel opens an end that lives as long as ctx and the worker.
func (w *Worker) openChannel(ctx context.Context, ref ChannelRef, direction string) (*channelEnd, error) {
	if !ref.Valid() || ref.Direction != direction {
		return nil, fmt.Errorf("iii: open the %s: not one to %s", ref, direction)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	release := context.AfterFunc(w.ctx, func() { cancel(context.Cause(w.ctx)) })
	query := url.Values{"key": {ref.AccessKey}, "dir": {direction}}
	ws, status, err := w.open(ctx, "ws/channels/"+url.PathEscape(ref.ChannelID), query)
	if err != nil {
		release()
		err = cmp.Or(context.Cause(ctx), err)
		cancel(err)
		if status == http.StatusNotFound {
			err = fmt.Errorf("%w: the engine has no such channel, or not any more", ErrNotFound)
		}
		return nil, fmt.Errorf("iii: open the %s: %w", ref, err)
	}
	context.AfterFunc(ctx, func() {
		release()
		_ = ws.CloseNow()
	})
	return &channelEnd{ref: ref, ws: ws, ctx: ctx, cancel: cancel}, nil
}

// A ChannelItem is what a channel carries: a message, or a piece of the stream of
// bytes. Pieces have no meaning of their own: what is written may be cut anywhere.
type ChannelItem struct {
	Message bool
	Data    []byte
}

// A ChannelReader is the reading end of a channel. [ChannelReader.Next] takes
// messages and bytes as they come; Read, for use as an [io.Reader], takes the bytes
// alone. Only one goroutine may read at a time.
type ChannelReader struct {
	// OnMessage is called by Read with each message it passes; nil: they are
	// dropped. To be set before the first Read.
	OnMessage func(message string)

	end  *channelEnd
	rest []byte // of a piece that Read has begun
	err  error  // why there is no more
}

// OpenReader opens a reading end, which only one can have: with any other, the
// channel looks as if it ended at once. It lives until it is closed, as long as ctx
// and the worker. [ErrNotFound]: there is no such channel, or not any more.
func (w *Worker) OpenReader(ctx context.Context, ref ChannelRef) (*ChannelReader, error) {
	end, err := w.openChannel(ctx, ref, ChannelRead)
	if err != nil {
		return nil, err
	}
	return &ChannelReader{end: end}, nil
}

// Next returns the next message, or the next bytes. After the writer has closed it
// is [io.EOF]; engines say the same of a writer that died. [ErrConnectionLost]: the
// connection broke, and with it the channel.
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
		// Not wrapped: there may be an io.EOF in it, and this is no end.
		r.err = fmt.Errorf("iii: read from channel %s: %w: %v", r.end.ref.ChannelID, ErrConnectionLost, err)
	}
	r.end.cancel(r.err)
	return ChannelItem{}, r.err
}

// Read reads bytes of the stream. See [ChannelReader.Next] for its errors.
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

// Close gives the end up. The writer notices when it writes on.
func (r *ChannelReader) Close() error {
	// No farewell: engines do not read from this side.
	r.end.cancel(io.ErrClosedPipe)
	return nil
}

// A ChannelWriter is the writing end of a channel. Its methods are safe for
// concurrent use; each Write and each message stays in one piece.
type ChannelWriter struct {
	end  *channelEnd
	gone chan struct{} // closed once the engine takes no more

	mu     sync.Mutex
	closed bool
}

// OpenWriter opens a writing end, which only one can have: with any other, writing
// fails. It lives until it is closed, as long as ctx and the worker.
// [ErrNotFound]: there is no such channel, or not any more.
func (w *Worker) OpenWriter(ctx context.Context, ref ChannelRef) (*ChannelWriter, error) {
	end, err := w.openChannel(ctx, ref, ChannelWrite)
	if err != nil {
		return nil, err
	}
	c := &ChannelWriter{end: end, gone: make(chan struct{})}
	go func() {
		defer close(c.gone)
		for { // nothing comes here but the answers to pings, and the end
			if _, _, err := end.ws.Read(end.ctx); err != nil {
				end.cancel(io.ErrClosedPipe)
				return
			}
		}
	}()
	return c, nil
}

// Write writes bytes to the stream. It waits while the engine holds as much as the
// channel's buffer allows. The error is [io.ErrClosedPipe] once the reader has given
// up, if another has this end, or if the connection broke.
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

// SendMessage sends a message, which readers get apart from the bytes. It must be
// valid UTF-8; by convention it is JSON. Else as Write.
func (c *ChannelWriter) SendMessage(message string) error {
	if !utf8.ValidString(message) {
		return fmt.Errorf("iii: message to channel %s: not valid UTF-8, write it as bytes", c.end.ref.ChannelID)
	}
	if len(message) > messageLimit {
		return fmt.Errorf("iii: message to channel %s: it has %d bytes, an engine takes %d", c.end.ref.ChannelID, len(message), messageLimit)
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

// fault says why the engine takes no more: what ended it first, or that it has.
func (c *ChannelWriter) fault() error {
	c.end.cancel(io.ErrClosedPipe)
	return fmt.Errorf("iii: write to channel %s: %w", c.end.ref.ChannelID, context.Cause(c.end.ctx))
}

// Close ends the stream. It returns once the engine has taken all that was written,
// so that it waits for a slow reader; an error says that it has not. Closing again
// does nothing.
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
	// Engines take frames in order: what is answered now was sent after all the rest.
	if err := c.end.ws.Ping(c.end.ctx); err != nil {
		return c.fault()
	}
	_ = c.end.ws.Close(websocket.StatusNormalClosure, "") // an end by any other means is one too
	return nil
}
