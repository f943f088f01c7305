package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/wire"
)

// A call is a request that waits for its answer.
type call struct {
	id     string
	begun  time.Time
	frames chan wire.Frame
	done   chan struct{} // closed once nobody waits any more
}

// What a program may do that it should not.
var (
	errNoID     = fmt.Errorf("%w: a line has no id, which concurrency above 1 requires", wire.ErrOffContract)
	errOtherID  = fmt.Errorf("%w: a line has the id of another request", wire.ErrOffContract)
	errUnasked  = fmt.Errorf("%w: the program wrote a line that nobody had asked for", wire.ErrOffContract)
	errHung     = errors.New("the program has been silent for a whole timeout")
	errGivenUp  = errors.New("the program was stopped in the middle of an answer")
	errNotTaken = errors.New("the program does not read its standard input")
)

// expect registers a call, before its request is written.
func (p *process) expect(id string) *call {
	c := &call{id: id, begun: time.Now(), frames: make(chan wire.Frame), done: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls[id] = c
	return c
}

func (p *process) forget(c *call) {
	p.mu.Lock()
	delete(p.calls, c.id)
	p.mu.Unlock()
	close(c.done)
}

// awaitReady waits until the program takes requests.
func (p *process) awaitReady(ctx context.Context) error {
	select {
	case <-p.ready:
		return nil
	case <-p.dead:
		return p.reason()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// write writes one line. If it is not written as a whole, the program is
// stopped: it could make nothing of the next.
func (p *process) write(ctx context.Context, line []byte) error {
	select {
	case p.writing <- struct{}{}:
	case <-p.dead:
		return p.reason()
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-p.writing }()
	n, err := p.program.Write(ctx, append(line, '\n'))
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		if n > 0 {
			p.stop(errNotTaken)
		}
		return ctx.Err()
	}
	// It has closed its input. If it is about to end, its exit status tells more.
	p.endSoon(errNotTaken)
	<-p.dead
	return p.reason()
}

// endSoon lets a program that is about to end do so, and stops it if it does not.
func (p *process) endSoon(reason error) {
	timer := time.NewTimer(lingering)
	defer timer.Stop()
	select {
	case <-p.program.Ended():
	case <-p.dead:
	case <-timer.C:
		p.stop(reason)
	}
}

// abandon gives up a call whose answer is not complete.
func (p *process) abandon(ctx context.Context, c *call, reason error) {
	p.mu.Lock()
	silent := !p.heard.After(c.begun)
	p.mu.Unlock()
	var timeout *modelcall.TimeoutError
	switch {
	case p.cfg.Concurrency == 1:
		p.stop(errGivenUp)
	case errors.As(reason, &timeout) && silent:
		p.stop(errHung)
	default:
		line, _ := json.Marshal(map[string]any{"id": c.id, "cancel": true}) // cannot fail
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lingering)
		go func() {
			defer cancel()
			_ = p.write(ctx, line) // else it is stopped
		}()
	}
}

// readAnswers hands what the program writes to whom it is for.
func (p *process) readAnswers(stdout io.Reader) {
	lines := wire.NewLines(stdout, p.maxLine())
	for {
		line, err := lines.Next()
		if len(line) > 0 {
			if err := p.answered(line, err != nil); err != nil {
				p.stop(err)
				_, _ = io.Copy(io.Discard, stdout) // it shall not hang in a write until it is gone
				return
			}
		}
		if errors.Is(err, modelcall.ErrTooLarge) {
			p.stop(err)
			_, _ = io.Copy(io.Discard, stdout)
			return
		}
		if err != nil {
			p.endSoon(errors.New("the program closed its standard output"))
			return
		}
	}
}

// answered takes one line. Last means that it is not complete, if it is no JSON.
func (p *process) answered(line []byte, last bool) error {
	frame, err := wire.ParseFrame(line)
	switch {
	case err != nil && last:
		return nil // a crash in the middle of a line; its exit status tells more
	case errors.Is(err, wire.ErrNotJSON), errors.Is(err, modelcall.ErrCutOff):
		return fmt.Errorf("%w: a line begins %q", wire.ErrNotJSON, line[:min(len(line), 80)])
	case err != nil:
		return err
	case frame.Ready:
		p.nowReady()
		return nil
	}
	p.mu.Lock()
	p.heard = time.Now()
	c, err := p.addressee(frame.ID)
	p.mu.Unlock()
	if c == nil || err != nil {
		return err
	}
	select {
	case c.frames <- frame:
	case <-c.done:
	}
	if frame.Final() { // whatever comes now is for nobody
		p.mu.Lock()
		delete(p.calls, c.id)
		p.mu.Unlock()
	}
	return nil
}

// addressee is the call that a frame is for, and nil if it was given up.
func (p *process) addressee(id string) (*call, error) {
	c := p.calls[id]
	switch {
	case p.err != nil || c != nil:
		return c, nil
	case p.cfg.Concurrency > 1 && id == "":
		return nil, errNoID
	case p.cfg.Concurrency > 1:
		return nil, nil
	case len(p.calls) == 0:
		return nil, errUnasked
	case id != "":
		return nil, errOtherID
	}
	for _, c = range p.calls { // there is one
	}
	return c, nil
}
