package iii

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/coder/websocket"
)

// channelFrame is how many bytes of a stream the SDKs put into one frame. An engine
// buffers a number of frames for a slow reader, of any size.
const channelFrame = 64 << 10

// Directions of a [ChannelRef], for the worker that opens it.
const (
	ChannelRead  = "read"
	ChannelWrite = "write"
)

// A ChannelRef is one end of a channel that is not open yet. It travels as plain JSON in
// any data, and the worker that receives it may open that end. It prints without its key.
type ChannelRef struct {
	ChannelID string `json:"channel_id"`
	AccessKey string `json:"access_key"`
	Direction string `json:"direction"` // ChannelRead or ChannelWrite
}

// Valid reports whether r has all that is needed to open it.
func (r ChannelRef) Valid() bool {
	return r.ChannelID != "" && r.AccessKey != "" && (r.Direction == ChannelRead || r.Direction == ChannelWrite)
}

// String is the direction and the id, without the key.
func (r ChannelRef) String() string { return r.Direction + " end of channel " + r.ChannelID }

// GoString is [ChannelRef.String] for %#v.
func (r ChannelRef) GoString() string { return "iii.ChannelRef(" + r.String() + ")" }

// A Channel is a stream from one worker to another through the engine. Send one end to
// the other worker, in the data of a call, and open the other end.
type Channel struct {
	Writer ChannelRef `json:"writer"`
	Reader ChannelRef `json:"reader"`
}

// CreateChannel creates a channel. buffer is how many messages, or pieces of up to
// 64 KiB, the engine buffers before the writer waits: at most 1024; zero or less is the
// engine's default, 64. The engine removes a channel whose ends are not both opened
// within five minutes.
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

// ChannelRefs finds every end of a channel in data of any shape, by its JSON Pointer
// (RFC 6901): "/output", "/parts/0/reader", "" for data that is one itself. Where the
// shape is known, use a field of the type [ChannelRef].
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
		// Further keys are possible: the engine adds one to the data of a call.
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

// channelEnd is an open end of a channel.
type channelEnd struct {
	ref    ChannelRef
	ws     *websocket.Conn
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// openChannel opens an end that closes with ctx or the worker.
func (w *Worker) openChannel(ctx context.Context, ref ChannelRef, direction string) (*channelEnd, error) {
	if !ref.Valid() || ref.Direction != direction {
		return nil, fmt.Errorf("iii: open the %s: not a complete reference to %s", ref, direction)
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
			err = fmt.Errorf("%w: the engine has no such channel, or has removed it", ErrNotFound)
		}
		return nil, fmt.Errorf("iii: open the %s: %w", ref, err)
	}
	context.AfterFunc(ctx, func() {
		release()
		_ = ws.CloseNow()
	})
	return &channelEnd{ref: ref, ws: ws, ctx: ctx, cancel: cancel}, nil
}

// A ChannelItem is a message, or a piece of a channel's stream of bytes. The borders of
// pieces have no meaning: the stream may be cut anywhere.
type ChannelItem struct {
	Message bool
	Data    []byte
}
