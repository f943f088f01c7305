package iii

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// keepAlive pings, and closes a connection on which nothing arrives.
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
			// Any frame proves that the engine lives: the pong itself is not needed.
			pings.Go(func() {
				ctx, cancel := context.WithTimeout(c.ctx, c.w.opts.PingInterval)
				defer cancel()
				_ = c.ws.Ping(ctx)
			})
		case <-idle.C:
			left := time.Until(time.Unix(0, c.lastReceived.Load()).Add(c.w.opts.IdleTimeout))
			if left <= 0 {
				c.cancel(fmt.Errorf("%w: nothing received for %s", ErrConnectionLost, c.w.opts.IdleTimeout))
				return
			}
			idle.Reset(left)
		}
	}
}

// roundTrip returns once the engine has read everything pushed so far, or the connection
// ends. It waits 5 s at most for an engine that does not answer.
func (c *connection) roundTrip(ctx context.Context) error {
	pong := make(chan struct{})
	c.w.mu.Lock()
	c.pongs = append(c.pongs, pong)
	c.pushLocked(frame{Type: typePing})
	c.w.mu.Unlock()
	limit := time.NewTimer(pongTimeout)
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
