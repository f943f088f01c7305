package iii

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

const (
	// messageLimit is the largest message an engine accepts, frameLimit the largest
	// frame: larger messages go in several.
	messageLimit = 64 << 20
	frameLimit   = 8 << 20
	// pongTimeout is how long Shutdown waits for the engine to read the withdrawals.
	pongTimeout = 5 * time.Second
	// minAnswerAge is the least time between a call's arrival and its answer. Engines
	// send a call before they record it as pending, and drop an answer that is faster
	// than the record: the caller then waits until its own timeout.
	minAnswerAge = time.Millisecond
)

// A connection is one WebSocket, from the engine's greeting to its end. Worker.mu guards
// the fields from dead on.
type connection struct {
	w  *Worker
	ws *websocket.Conn
	// ctx ends with the connection. The handlers of the calls that arrived over it
	// inherit it, because their answers can no longer be sent.
	ctx    context.Context
	cancel context.CancelCauseFunc
	// id and token, from the greeting.
	id, token string
	// lastReceived is when the last frame of any kind arrived, in Unix nanoseconds.
	lastReceived atomic.Int64
	// wake signals the writer that there is something to write; it holds one.
	wake chan struct{}
	// needDialect signals that queue triggers wait for the engine's dialect.
	needDialect chan struct{}

	dead      bool
	control   []outgoing // written before calls, dropped with the connection
	pongs     []chan struct{}
	bindings  []frame // for this worker's own trigger types, in order
	binding   bool    // handleBindings runs
	queueType string  // the type of queue triggers here; empty: not known yet
}

// session runs one connection, from dialling to its end, and returns why it ended.
func (w *Worker) session() (greeted bool, err error) {
	ctx, cancel := context.WithCancelCause(w.ctx)
	defer cancel(ErrConnectionLost)
	c := &connection{
		w: w, ctx: ctx, cancel: cancel,
		wake: make(chan struct{}, 1), needDialect: make(chan struct{}, 1),
	}
	if err := c.dial(); err != nil {
		return false, fmt.Errorf("connect to %s: %w", w.at.shown, err)
	}
	defer func() { _ = c.ws.CloseNow() }()

	if !w.attach(c) {
		return true, ErrClosed
	}
	var parts sync.WaitGroup
	parts.Go(c.write)
	parts.Go(c.keepAlive)
	parts.Go(c.learnDialect)
	err = c.read()
	// If this worker closed it, the cause says more than the read error that followed.
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	w.detach(c, err)
	cancel(ErrConnectionLost)
	_ = c.ws.CloseNow()
	parts.Wait()
	return true, err
}

// dial returns after the engine's greeting. Nothing is sent before, because an engine
// that refuses the credentials accepts the handshake first.
func (c *connection) dial() error {
	ctx, cancel := context.WithTimeout(c.ctx, c.w.opts.HandshakeTimeout)
	defer cancel()
	ws, response, err := websocket.Dial(ctx, c.w.at.dial, &websocket.DialOptions{
		HTTPClient:      c.w.opts.HTTPClient,
		HTTPHeader:      c.w.opts.Headers,
		CompressionMode: websocket.CompressionDisabled,
		OnPingReceived:  func(context.Context, []byte) bool { c.received(); return true },
		OnPongReceived:  func(context.Context, []byte) { c.received() },
	})
	if err != nil {
		return dialError(ctx, response, err)
	}
	c.ws = ws
	ws.SetReadLimit(c.w.opts.ReadLimit)
	c.received()
	for {
		_, message, err := ws.Read(ctx)
		if err != nil {
			_ = ws.CloseNow()
			if ctx.Err() != nil {
				return fmt.Errorf("no greeting (workerregistered) within %s: check that the URL is that of an iii engine", c.w.opts.HandshakeTimeout)
			}
			return fmt.Errorf("closed before the greeting: %w", err)
		}
		c.received()
		f, err := decodeFrame(message)
		switch {
		case err != nil:
		case f.Type == typeError && f.Error != nil:
			_ = ws.CloseNow()
			return fmt.Errorf("the engine refuses this worker's credentials: %w", f.Error)
		case f.Type == typeWorkerRegistered:
			c.id, c.token = f.WorkerID, f.ReattachToken
			return nil
		}
	}
}

// dialError omits the address, which the HTTP client quotes with its query.
func dialError(ctx context.Context, response *http.Response, err error) error {
	if response != nil && response.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("HTTP status %d instead of a WebSocket", response.StatusCode)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("handshake: %w", ctx.Err())
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return errors.New("the WebSocket handshake failed")
}

func (c *connection) received() { c.lastReceived.Store(time.Now().UnixNano()) }

// read handles messages until the connection ends.
func (c *connection) read() error {
	for {
		_, message, err := c.ws.Read(c.ctx)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrConnectionLost, err)
		}
		c.received()
		arrived := time.Now()
		f, err := decodeFrame(message)
		if errors.Is(err, errNoMessage) {
			continue
		}
		f.arrived = arrived
		if err != nil {
			c.w.log.Warn("skipped an unreadable message of the iii engine", "error", printable(err.Error()))
			c.answerUnreadable(message, arrived, err)
			continue
		}
		if err := c.handle(f); err != nil {
			return err
		}
	}
}

// answerUnreadable answers a call whose data cannot be decoded, if its id can. Without an
// answer a queue's message would stay active for ever, and a few of them block the queue.
func (c *connection) answerUnreadable(message []byte, arrived time.Time, cause error) {
	var call struct {
		Type         string `json:"type"`
		InvocationID string `json:"invocation_id"`
		FunctionID   string `json:"function_id"`
	}
	if json.Unmarshal(message, &call) != nil || call.Type != typeInvoke || call.InvocationID == "" {
		return
	}
	go c.answer(frame{
		Type: typeResult, InvocationID: call.InvocationID, FunctionID: call.FunctionID,
		Error: Errorf(CodeInvalidRequest, "the call cannot be decoded: %v", cause),
	}, arrived)
}

// handle returns an error only if the connection must end.
func (c *connection) handle(f frame) error {
	switch f.Type {
	case typeInvoke:
		c.w.begin(c, f)
	case typeResult:
		c.w.answered(f)
	case typeRegisterTrigger, typeUnregisterTrigger:
		c.bind(f)
	case typeTriggerResult:
		c.w.triggerResult(f)
	case typeRejected:
		return c.w.rejected(f)
	case typePing:
		c.pong()
	case typePong:
		c.w.mu.Lock()
		if len(c.pongs) > 0 {
			close(c.pongs[0])
			c.pongs = c.pongs[1:]
		}
		c.w.mu.Unlock()
	case typeError:
		if f.Error != nil {
			return f.Error
		}
	default:
		c.w.log.Debug("skipped a message of an unknown type of the iii engine", "type", printable(f.Type))
	}
	return nil
}

// maxControl is how many messages wait for an engine that does not read, beyond which it
// gets no further pongs: those that wait will do.
const maxControl = 1000

func (c *connection) pong() {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if len(c.control) < maxControl {
		c.pushLocked(frame{Type: typePong})
	}
}

// closeNormally closes with a Close frame, after which the engine has read everything.
func (c *connection) closeNormally() {
	_ = c.ws.Close(websocket.StatusNormalClosure, "")
}
