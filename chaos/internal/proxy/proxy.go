// Package proxy is a TCP proxy that spoils what passes through it, as networks and the
// boxes in them do.
package proxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// A Mode is what a link does to connections.
type Mode int

// The modes.
const (
	Clear     Mode = iota
	Latency        // each piece of data is late, in both directions
	Reset          // answers are cut in the middle, by a reset
	HalfOpen       // the server receives, the client does not
	BlackHole      // neither receives; connections are accepted and stay open
)

// delay of each piece of data with Latency.
const delay = 400 * time.Millisecond

// A Link is one proxy, from one client to one server.
type Link struct {
	Name string
	// Doubled is called after a POST was delivered a second time: with the request as
	// its line and body. Set it before the first connection.
	Doubled func(target string, body []byte)

	upstream string
	listener net.Listener

	mu     sync.Mutex
	mode   Mode
	turn   chan struct{} // closed when the mode changes
	double int           // POSTs still to be doubled
	conns  map[net.Conn]bool
	closed bool
	wg     sync.WaitGroup
}

// Listen starts a link to upstream on a free port of this machine.
func Listen(name, upstream string) (*Link, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("proxy: %s: %w", name, err)
	}
	p := &Link{Name: name, upstream: upstream, listener: l, turn: make(chan struct{}), conns: map[net.Conn]bool{}}
	p.wg.Add(1)
	go p.accept()
	return p, nil
}

// Addr is where the client connects to.
func (p *Link) Addr() string { return p.listener.Addr().String() }

// Set changes the mode, also of connections that are open.
func (p *Link) Set(m Mode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode = m
	close(p.turn)
	p.turn = make(chan struct{})
	if m == Clear {
		return
	}
	if m == Reset {
		p.double = 0
	}
}

// DoubleNext makes the next POST arrive twice. It resets idle connections, because only
// new ones are read as HTTP.
func (p *Link) DoubleNext() {
	p.mu.Lock()
	p.double++
	p.mu.Unlock()
	p.Drop()
}

// Drop resets every connection.
func (p *Link) Drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		reset(c)
	}
}

// Close ends the link and its connections.
func (p *Link) Close() {
	p.mu.Lock()
	p.closed = true
	close(p.turn)
	p.turn = make(chan struct{})
	p.mu.Unlock()
	_ = p.listener.Close()
	p.Drop()
	p.wg.Wait()
}

func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

func (p *Link) accept() {
	defer p.wg.Done()
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		if !p.keep(c) {
			return
		}
		p.wg.Add(1)
		go func() {
			defer p.wg.Done()
			defer p.drop(c)
			p.serve(c)
		}()
	}
}

// keep registers a connection, or closes it if the link is closed.
func (p *Link) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = c.Close()
		return false
	}
	p.conns[c] = true
	return true
}

func (p *Link) drop(c net.Conn) {
	_ = c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

func (p *Link) serve(client net.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	server, err := new(net.Dialer).DialContext(ctx, "tcp", p.upstream)
	cancel()
	if err != nil {
		reset(client) // as if no server listened
		return
	}
	if !p.keep(server) {
		return
	}
	defer p.drop(server)
	ended := make(chan struct{}, 2)
	p.wg.Add(2)
	go func() { defer p.wg.Done(); p.requests(client, server); ended <- struct{}{} }()
	go func() { defer p.wg.Done(); p.answers(client, server); ended <- struct{}{} }()
	<-ended
	// One direction has ended: as with most proxies, so does the connection.
}

// requests carries data from client to server.
func (p *Link) requests(client, server net.Conn) {
	p.mu.Lock()
	doubling := p.double > 0
	p.mu.Unlock()
	if doubling {
		p.doubling(client, server)
		return
	}
	p.pump(client, server, func(m Mode) bool { return m == BlackHole })
}

// answers carries data from server to client.
func (p *Link) answers(client, server net.Conn) {
	p.pump(server, client, func(m Mode) bool { return m == BlackHole || m == HalfOpen })
}

// pump copies from to to. While the mode is one that holds, data waits.
func (p *Link) pump(from, to net.Conn, holds func(Mode) bool) {
	buf := make([]byte, 16<<10)
	answers := holds(HalfOpen)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			mode := p.await(holds)
			switch mode {
			case Latency:
				if !p.wait(delay) {
					return
				}
			case Reset:
				if answers {
					_, _ = to.Write(buf[:n/2])
					reset(to)
					reset(from)
					return
				}
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			if err != io.EOF {
				reset(to)
			}
			return
		}
	}
}

// await returns the mode once it is none that holds. A closed link lets all pass.
func (p *Link) await(holds func(Mode) bool) Mode {
	for {
		p.mu.Lock()
		mode, turn, closed := p.mode, p.turn, p.closed
		p.mu.Unlock()
		if closed || !holds(mode) {
			return mode
		}
		<-turn
	}
}

// wait reports false if the link was closed meanwhile.
func (p *Link) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.closed
}
