package iiitest

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"
)

// channelTTL is how long a channel waits for both its ends to be taken.
const channelTTL = 5 * time.Minute

type channelRef struct {
	ChannelID string `json:"channel_id"`
	AccessKey string `json:"access_key"`
	Direction string `json:"direction"`
}

// channel is a stream between two WebSockets, or one and the engine itself.
type channel struct {
	id, key      string
	owner        *session // nil: the engine
	items        chan channelItem
	closed       chan struct{} // by the writer's end
	gone         chan struct{} // the reader's end has gone
	reads, wrote bool          // whether an end is taken; guarded by Engine.mu
	expiry       *time.Timer
}

type channelItem struct {
	kind websocket.MessageType
	data []byte
}

// newChannel needs mu.
func (e *Engine) newChannel(buffer int, owner *session) *channel {
	c := &channel{
		id: uuid.NewString(), key: uuid.NewString(), owner: owner,
		items: make(chan channelItem, buffer), closed: make(chan struct{}), gone: make(chan struct{}),
	}
	e.channels[c.id] = c
	c.expiry = time.AfterFunc(channelTTL, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.channels[c.id] == c && !(c.reads && c.wrote) {
			e.removeChannel(c)
		}
	})
	return c
}

// removeChannel needs mu. Ends that are taken go on.
func (e *Engine) removeChannel(c *channel) {
	c.expiry.Stop()
	delete(e.channels, c.id)
	if !c.reads {
		c.reads = true
		close(c.gone)
	}
	if !c.wrote {
		c.wrote = true
		close(c.closed)
	}
	e.notify()
}

func (c *channel) ref(direction string) channelRef { return channelRef{c.id, c.key, direction} }

// createChannel is engine::channels::create.
func (e *Engine) createChannel(r request) (any, error) {
	buffer := 64
	if r.BufferSize != nil {
		buffer = min(max(*r.BufferSize, 1), 1024)
	}
	c := e.newChannel(buffer, r.s)
	return map[string]channelRef{"writer": c.ref("write"), "reader": c.ref("read")}, nil
}

// Channels is how many channels there are of which an end is not taken, or in use.
func (e *Engine) Channels() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.channels)
}

// takeReader and takeWriter give an end away, once.
func (e *Engine) takeReader(c *channel) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.reads {
		return false
	}
	c.reads = true
	e.notify()
	return true
}

func (e *Engine) takeWriter(c *channel) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.wrote {
		return false
	}
	c.wrote = true
	e.notify()
	return true
}

// put returns false once the reader has left.
func (c *channel) put(ctx context.Context, item channelItem) bool {
	select {
	case <-c.gone:
		return false
	default:
	}
	select {
	case c.items <- item:
		return true
	case <-c.gone:
		return false
	case <-ctx.Done():
		return false
	}
}

// take returns false at the end.
func (c *channel) take(ctx context.Context) (channelItem, bool) {
	select {
	case item := <-c.items:
		return item, true
	case <-c.closed:
		select { // what was put before the end
		case item := <-c.items:
			return item, true
		default:
			return channelItem{}, false
		}
	case <-ctx.Done():
		return channelItem{}, false
	}
}

// serveChannel is /ws/channels/{id}?key=..&dir=read|write.
func (e *Engine) serveChannel(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	id := strings.TrimPrefix(r.URL.Path, channelPath)
	direction := r.URL.Query().Get("dir")
	e.mu.Lock()
	c := e.channels[id]
	e.mu.Unlock()
	switch {
	case direction != "read" && direction != "write":
		http.Error(w, "unknown dir", http.StatusBadRequest)
		return
	case c == nil || c.key != r.URL.Query().Get("key"):
		http.Error(w, "Channel not found", http.StatusNotFound)
		return
	}
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return
	}
	defer func() { _ = ws.CloseNow() }()
	ws.SetReadLimit(64 << 20)
	if direction == "read" {
		e.channelReader(ctx, ws, c)
	} else {
		e.channelWriter(ctx, ws, c)
	}
}

const channelPath = "/ws/channels/"

// channelReader does not read from its socket: that is how an engine does it.
func (e *Engine) channelReader(ctx context.Context, ws *websocket.Conn, c *channel) {
	if e.takeReader(c) {
		defer e.endChannel(c)
		defer close(c.gone)
		for {
			item, ok := c.take(ctx)
			if !ok {
				break
			}
			if ws.Write(ctx, item.kind, item.data) != nil {
				return
			}
		}
	}
	if ctx.Err() == nil {
		_ = ws.Close(websocket.StatusNoStatusRcvd, "")
	}
}

func (e *Engine) channelWriter(ctx context.Context, ws *websocket.Conn, c *channel) {
	if !e.takeWriter(c) {
		_ = ws.Close(websocket.StatusNoStatusRcvd, "")
		return
	}
	defer close(c.closed)
	for {
		kind, data, err := ws.Read(ctx)
		if err != nil {
			return
		}
		if !c.put(ctx, channelItem{kind, data}) {
			return
		}
	}
}

// endChannel forgets a channel once its reader is done.
func (e *Engine) endChannel(c *channel) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.channels[c.id] == c {
		e.removeChannel(c)
	}
}
