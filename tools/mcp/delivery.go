package mcp

import (
	"context"
	"sync"

	"github.com/parley-run/parley/tools"
)

// A delivery follows a call of a tool through the SDK to the wire, and its answer back.
// The SDK rejects answers that break the protocol, as a rule with the whole connection.
// The wire therefore reads the answer to a tool's call itself, keeps it here, and gives
// the SDK an empty one in its place.
type delivery struct {
	mu     sync.Mutex
	sent   bool
	result *tools.Result
	renew  bool
}

type deliveryKey struct{}

func withDelivery(ctx context.Context) (context.Context, *delivery) {
	d := &delivery{}
	return context.WithValue(ctx, deliveryKey{}, d), d
}

// deliveryOf returns the delivery of a call of a tool; nil: this is another request.
func deliveryOf(ctx context.Context) *delivery {
	d, _ := ctx.Value(deliveryKey{}).(*delivery)
	return d
}

// send records that a part of the request may have reached the server.
func (d *delivery) send() {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sent = true
}

// reject records that the server has not read the call.
func (d *delivery) reject() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sent = false
}

// take keeps the answer. Only the first one counts.
func (d *delivery) take(result tools.Result, renew bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.result == nil {
		d.result, d.renew = &result, renew
	}
}

// stay makes the session last whatever the answer was: a program has one for its life.
func (d *delivery) stay() {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.renew = false
}

// wasSent reports whether the call may have been made.
func (d *delivery) wasSent() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sent
}

// answer returns the answer that arrived; nil: none did.
func (d *delivery) answer() *tools.Result {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.result
}

// renews reports whether the answer means that the session cannot be used again.
func (d *delivery) renews() bool {
	if d == nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.renew
}
