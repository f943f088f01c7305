package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/wire"
	"github.com/parley-run/parley/internal/lease"
	"github.com/parley-run/parley/internal/program"
)

// A call is a request that waits for its answer.
type call struct {
	id     string
	begun  time.Time
	frames chan wire.Frame
	done   chan struct{} // closed when the caller no longer waits
}

// Violations of the contract by a program.
var (
	errNoID        = fmt.Errorf("%w: a line has no id, which concurrency above 1 requires", wire.ErrOffContract)
	errOtherID     = fmt.Errorf("%w: a line has the id of another request", wire.ErrOffContract)
	errUnrequested = fmt.Errorf("%w: the program wrote a line that answers no request", wire.ErrOffContract)
	errHung        = errors.New("the program has been silent for a whole timeout")
	errGivenUp     = errors.New("the program was stopped in the middle of an answer")
	errNotTaken    = errors.New("the program does not read its standard input")
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

// awaitReady waits until the program accepts requests.
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

// write writes one line, unless the attempt has lost the right to act. If it writes
// only part of it, it stops the program, which could not read the next line.
func (p *process) write(ctx context.Context, line []byte) error {
	select {
	case p.writing <- struct{}{}:
	case <-p.dead:
		return p.reason()
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-p.writing }()
	if err := lease.Check(ctx); err != nil {
		return err
	}
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
	// The program has closed its input. If it is exiting, its exit status is a
	// better cause.
	p.endSoon(errNotTaken)
	<-p.dead
	return p.reason()
}

// endSoon lets a program that is exiting exit, and stops it if it does not.
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

// abandon ends a call whose answer is not complete.
func (p *process) abandon(ctx context.Context, c *call, reason error) {
	p.mu.Lock()
	silent := !p.lastOutput.After(c.begun)
	p.mu.Unlock()
	var timeout *modelcall.TimeoutError
	switch {
	case p.cfg.Concurrency == 1:
		p.stop(errGivenUp)
	case errors.As(reason, &timeout) && silent:
		p.stop(errHung)
	default:
		line, _ := json.Marshal(map[string]any{"id": c.id, "cancel": true}) // cannot fail
		// A cancellation belongs to no attempt: it needs no right to act.
		ctx, cancel := context.WithTimeout(context.Background(), lingering)
		go func() {
			defer cancel()
			_ = p.write(ctx, line) // on failure the program is stopped
		}()
	}
}

// readAnswers passes the program's frames to their calls.
func (p *process) readAnswers(stdout io.Reader) {
	lines := wire.NewLines(stdout, p.maxLine())
	var flood program.Flood
	for {
		line, err := lines.Next()
		answers := false
		if len(line) > 0 {
			var fault error
			if answers, fault = p.answered(line, err != nil); fault != nil {
				p.stop(fault)
				_, _ = io.Copy(io.Discard, stdout) // so that the program does not block in a write until it exits
				return
			}
		}
		if !answers {
			if fault := flood.Add(len(line)); fault != nil {
				p.stop(fault)
				_ = p.program.Stdout.Close() // so that the program notices, and does not run until it is killed
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

// answered handles one line, and reports whether a call waits for it. Last means
// that the line has no end: if it is not JSON, it is incomplete.
func (p *process) answered(line []byte, last bool) (answers bool, err error) {
	frame, err := wire.ParseFrame(line)
	switch {
	case err != nil && last:
		return false, nil // a crash in the middle of a line: the exit status is the better cause
	case errors.Is(err, wire.ErrNotJSON), errors.Is(err, modelcall.ErrCutOff):
		return false, fmt.Errorf("%w: a line begins %s", wire.ErrNotJSON, conversation.Quote(string(line[:min(len(line), 80)])))
	case err != nil:
		return false, err
	case frame.Ready:
		p.nowReady()
		return false, nil
	}
	p.mu.Lock()
	p.lastOutput = time.Now()
	c, err := p.addressee(frame.ID)
	p.mu.Unlock()
	if c == nil || err != nil {
		return false, err
	}
	select {
	case c.frames <- frame:
	case <-c.done:
	}
	if frame.Final() { // later frames have no call
		p.mu.Lock()
		delete(p.calls, c.id)
		p.mu.Unlock()
	}
	return true, nil
}

// addressee returns the call of a frame, or nil if it was abandoned.
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
		return nil, errUnrequested
	case id != "":
		return nil, errOtherID
	}
	for _, c = range p.calls { // the only one
	}
	return c, nil
}
