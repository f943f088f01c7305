package iii

import (
	"context"
	"fmt"
	"time"

	"github.com/coder/websocket"
)

// outgoing is a message, or a mark that is closed when everything before it is written.
type outgoing struct {
	message []byte
	written chan struct{}
}

// push sends f over this connection; if the connection is dead, f is dropped.
func (c *connection) push(f frame) {
	c.w.mu.Lock()
	c.pushLocked(f)
	c.w.mu.Unlock()
}

// answer sends f as the answer to a frame that arrived at this time of the monotonic
// clock. See minAnswerAge.
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

// pushLocked needs Worker.mu.
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

// write is the only writer of messages: one after the other, in order.
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

// next returns what is to be written now, with its call, if it is one.
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
			go w.requestPermit(call) // other calls are written meanwhile
			c.wakeWriter()
			w.signalDequeued()
			return outgoing{}, nil
		}
		call.conn = c
		w.signalDequeued()
		return outgoing{message: call.message}, call
	default:
		return w.logs.next(), nil
	}
	return outgoing{}, nil
}

func (c *connection) writeMessage(message []byte) error {
	// A peer that accepts nothing for so long counts as gone.
	ctx, cancel := context.WithTimeout(c.ctx, c.w.opts.IdleTimeout)
	defer cancel()
	return writeMessage(ctx, c.ws, websocket.MessageText, message)
}

// flush returns once everything that waits is written, or the connection ends.
func (c *connection) flush(ctx context.Context) error {
	written := make(chan struct{})
	c.w.logs.mark(written) // log records are written last
	select {
	case <-written:
	case <-c.ctx.Done():
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
