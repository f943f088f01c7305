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
	// messageLimit is the largest message an engine takes, frameLimit the largest
	// frame: larger messages go in several.
	messageLimit = 64 << 20
	frameLimit   = 8 << 20
	// answerLimit is how long Shutdown waits for the engine to take the withdrawals.
	answerLimit = 5 * time.Second
	// minAnswerAge is the least time between a call's arrival and its answer. Engines
	// send a call before they record that it is pending, and drop an answer that
	// overtakes the record: its caller then waits out its own timeout.
	minAnswerAge = time.Millisecond
)

// A connection is one WebSocket, from the engine's greeting to its end. Fields
// without a comment are guarded by Worker.mu.
type connection struct {
	w  *Worker
	ws *websocket.Conn
	// ctx ends with the connection. The handlers of the calls that came over it
	// inherit it: nobody can be answered any more.
	ctx    context.Context
	cancel context.CancelCauseFunc
	// id and token, from the greeting.
	id, token string
	// heard is when the last frame of any kind came, in Unix nanoseconds.
	heard atomic.Int64
	// wake tells the writer that there is something; it holds one.
	wake chan struct{}
	// needDialect tells that queue triggers wait to know what engine this is.
	needDialect chan struct{}

	dead      bool
	control   []outgoing // goes before calls, and dies with the connection
	pongs     []chan struct{}
	bindings  []frame // for this worker's own trigger types, in order
	binding   bool
	queueType string // what queue triggers are called here; empty: not known yet
}

// outgoing is a message, or a mark that tells when all before it is written.
type outgoing struct {
	message []byte
	written chan struct{}
}

// session is one connection, from dialling to its end, and why it ended.
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
	// Why it was given up, if we did, says more than the read that failed from it.
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	w.detach(c, err)
	cancel(ErrConnectionLost)
	_ = c.ws.CloseNow()
	parts.Wait()
	return true, err
}

// dial ends with the engine's greeting, before which nothing is sent: an engine
// that refuses the credentials lets the handshake pass.
func (c *connection) dial() error {
	ctx, cancel := context.WithTimeout(c.ctx, c.w.opts.HandshakeTimeout)
	defer cancel()
	ws, response, err := websocket.Dial(ctx, c.w.at.dial, &websocket.DialOptions{
		HTTPClient:      c.w.opts.HTTPClient,
		HTTPHeader:      c.w.opts.Headers,
		CompressionMode: websocket.CompressionDisabled,
		OnPingReceived:  func(context.Context, []byte) bool { c.hear(); return true },
		OnPongReceived:  func(context.Context, []byte) { c.hear() },
	})
	if err != nil {
		return dialError(ctx, response, err)
	}
	c.ws = ws
	ws.SetReadLimit(c.w.opts.ReadLimit)
	c.hear()
	for {
		_, message, err := ws.Read(ctx)
		if err != nil {
			_ = ws.CloseNow()
			if ctx.Err() != nil {
				return fmt.Errorf("no greeting (workerregistered) in %s: is it an iii engine?", c.w.opts.HandshakeTimeout)
			}
			return fmt.Errorf("closed before the greeting: %w", err)
		}
		c.hear()
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

// dialError leaves out the address, which the HTTP client quotes with its query.
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

func (c *connection) hear() { c.heard.Store(time.Now().UnixNano()) }

// read handles messages until the connection ends.
func (c *connection) read() error {
	for {
		_, message, err := c.ws.Read(c.ctx)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrConnectionLost, err)
		}
		c.hear()
		arrived := time.Now()
		f, err := decodeFrame(message)
		if errors.Is(err, errNoMessage) {
			continue
		}
		f.arrived = arrived
		if err != nil {
			c.w.log.Warn("skipped a message of the iii engine", "error", printable(err.Error()))
			c.unreadable(message, arrived, err)
			continue
		}
		if err := c.handle(f); err != nil {
			return err
		}
	}
}

// unreadable answers a call that cannot be read, if that much of it can: a message of a
// queue would be under way for ever, and with a few of them all others would wait.
func (c *connection) unreadable(message []byte, arrived time.Time, cause error) {
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
		Error: Errorf(CodeInvalidRequest, "the call cannot be read: %v", cause),
	}, arrived)
}

// handle returns an error only if the connection is to end by it.
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
		c.push(frame{Type: typePong})
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
		c.w.log.Debug("skipped a message of the iii engine", "type", f.Type)
	}
	return nil
}

// push sends f over this connection or, if it is dead, never.
func (c *connection) push(f frame) {
	c.w.mu.Lock()
	c.pushLocked(f)
	c.w.mu.Unlock()
}

// answer sends f as the answer to a frame that came at the time arrived, which is
// read from the monotonic clock. See minAnswerAge.
func (c *connection) answer(f frame, arrived time.Time) {
	if early := minAnswerAge - time.Since(arrived); early > 0 {
		timer := time.NewTimer(early)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-c.ctx.Done():
			return
		}
	}
	c.push(f)
}

func (c *connection) pushLocked(f frame) {
	if c.dead {
		return
	}
	c.control = append(c.control, outgoing{message: f.encode()})
	c.wakeWriter()
}

func (c *connection) wakeWriter() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// write is the only writer of messages: one frame after the other, in order.
func (c *connection) write() {
	for {
		next, call := c.next()
		if next.written != nil {
			close(next.written)
			continue
		}
		if next.message == nil {
			select {
			case <-c.wake:
				continue
			case <-c.w.logs.wake:
				continue
			case <-c.ctx.Done():
				return
			}
		}
		err := c.writeMessage(next.message)
		if err != nil {
			c.cancel(fmt.Errorf("%w: write: %w", ErrConnectionLost, err))
		}
		if call != nil && call.id == "" {
			c.w.written(call, err)
		}
		if err != nil {
			return
		}
	}
}

// next is what is to be written now, with the call it belongs to, if any.
func (c *connection) next() (outgoing, *call) {
	w := c.w
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case c.dead:
	case len(c.control) > 0:
		next := c.control[0]
		c.control = c.control[1:]
		return next, nil
	case len(w.waiting) > 0:
		call := w.waiting[0]
		w.waiting = w.waiting[1:]
		if call.permit != nil && time.Since(call.permitted) > permitAge {
			go w.ask(call) // the connection is not held up meanwhile
			c.wakeWriter()
			w.makeRoom()
			return outgoing{}, nil
		}
		call.conn = c
		w.makeRoom()
		return outgoing{message: call.message}, call
	default:
		return w.logs.next(), nil
	}
	return outgoing{}, nil
}

func (c *connection) writeMessage(message []byte) error {
	// Whoever takes nothing for so long is as good as gone.
	ctx, cancel := context.WithTimeout(c.ctx, c.w.opts.IdleTimeout)
	defer cancel()
	return writeMessage(ctx, c.ws, websocket.MessageText, message)
}

// keepAlive pings, and gives the connection up when nothing at all comes back.
func (c *connection) keepAlive() {
	var pings sync.WaitGroup
	defer pings.Wait()
	ping := time.NewTicker(c.w.opts.PingInterval)
	defer ping.Stop()
	idle := time.NewTimer(c.w.opts.IdleTimeout)
	defer idle.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-ping.C:
			// Any frame proves life, so that the answer to this very ping is no matter.
			pings.Go(func() {
				ctx, cancel := context.WithTimeout(c.ctx, c.w.opts.PingInterval)
				defer cancel()
				_ = c.ws.Ping(ctx)
			})
		case <-idle.C:
			left := time.Until(time.Unix(0, c.heard.Load()).Add(c.w.opts.IdleTimeout))
			if left <= 0 {
				c.cancel(fmt.Errorf("%w: nothing heard for %s", ErrConnectionLost, c.w.opts.IdleTimeout))
				return
			}
			idle.Reset(left)
		}
	}
}

// roundTrip returns once the engine has taken everything pushed so far, or cannot
// any more. An engine that does not answer is not waited for longer than 5 s.
func (c *connection) roundTrip(ctx context.Context) error {
	pong := make(chan struct{})
	c.w.mu.Lock()
	c.pongs = append(c.pongs, pong)
	c.pushLocked(frame{Type: typePing})
	c.w.mu.Unlock()
	limit := time.NewTimer(answerLimit)
	defer limit.Stop()
	select {
	case <-pong:
	case <-limit.C:
	case <-c.ctx.Done():
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// flush returns once everything pushed so far is written, and what waits behind it,
// or cannot be any more.
func (c *connection) flush(ctx context.Context) error {
	written := make(chan struct{})
	c.w.logs.mark(written) // nothing comes after these
	select {
	case <-written:
	case <-c.ctx.Done():
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// closeNormally tells the engine, which has then read all there is.
func (c *connection) closeNormally() {
	_ = c.ws.Close(websocket.StatusNormalClosure, "")
}
