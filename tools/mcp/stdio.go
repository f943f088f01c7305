package mcp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/parley-run/parley/internal/lease"
	"github.com/parley-run/parley/internal/program"
)

// stdio replaces the SDK's transport, in which a program that does not read blocks
// every call regardless of its context, an invalid or overlong line ends the
// connection, and child processes are left running.
type stdio struct {
	start      func() (*process, error)
	odd        *oddTools
	lastOutput *pulse
	program    *process // nil: it did not start
}

func (t *stdio) Connect(context.Context) (sdk.Connection, error) {
	p, err := t.start()
	if err != nil {
		return nil, err
	}
	t.program = p
	t.lastOutput.note()
	return &stdioConnection{
		program: p, odd: t.odd, lastOutput: t.lastOutput, junk: program.NewLineLog(p.logger), lineTimeout: lineTimeout,
		stdout: bufio.NewReaderSize(p.Stdout, 64<<10), writing: make(chan struct{}, 1),
	}, nil
}

// lineTimeout bounds the time from the first byte of a line to its end.
const lineTimeout = time.Minute

type stdioConnection struct {
	program     *process
	lastOutput  *pulse
	stdout      *bufio.Reader
	lineTimeout time.Duration
	flood       program.Flood    // counts output that answers no call
	junk        *program.LineLog // logs lines that are no messages
	odd         *oddTools
	writing     chan struct{} // holds a token during a write
}

// A pulse records when a program last sent something.
type pulse struct{ at atomic.Pointer[time.Time] }

func (p *pulse) note() {
	now := time.Now()
	p.at.Store(&now)
}

// silence returns how long ago that was.
func (p *pulse) silence() time.Duration {
	if at := p.at.Load(); at != nil {
		return time.Since(*at)
	}
	return 0
}

// errBroken means that the connection has ended, and why.
type errBroken struct{ reason error }

func (e *errBroken) Error() string { return e.reason.Error() }
func (e *errBroken) Unwrap() error { return e.reason }

// Read returns the next message and logs other lines. It stops a program that
// writes a line without end, too slowly, or too much that answers no call.
func (c *stdioConnection) Read(context.Context) (jsonrpc.Message, error) {
	for {
		line, err := c.next()
		if err != nil {
			c.junk.Close()
			c.program.stop()
			_ = c.program.Stdout.Close()
			var broken *errBroken
			if errors.As(err, &broken) {
				return nil, broken
			}
			return nil, &errBroken{c.program.Exit()}
		}
		c.lastOutput.note()
		message, err := c.message(line)
		if _, answers := message.(*jsonrpc.Response); !answers {
			if flood := c.flood.Add(len(line.text)); flood != nil {
				c.program.logger.Warn("tool server is stopped", "error", flood.Error())
				c.junk.Close()
				c.program.stop()
				_ = c.program.Stdout.Close()
				return nil, &errBroken{flood}
			}
		}
		if err == nil {
			return message, nil
		}
		c.junk.Line(slog.LevelWarn, "tool server wrote a line that is no message: it should log to standard error",
			func() string { return c.program.clean(string(line.text)) })
	}
}

// next returns the next line.
func (c *stdioConnection) next() (line, error) {
	if _, err := c.stdout.Peek(1); err != nil { // the program may take its time before a line
		return line{}, err
	}
	_ = c.program.Stdout.SetReadDeadline(time.Now().Add(c.lineTimeout))
	next, err := readLine(c.stdout)
	_ = c.program.Stdout.SetReadDeadline(time.Time{})
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = &errBroken{fmt.Errorf("the program did not end a line within %v", c.lineTimeout)}
	case errors.Is(err, errEndless):
		err = &errBroken{errEndless}
	default:
		return next, err
	}
	c.program.logger.Warn("tool server is stopped", "error", err.Error())
	return line{}, err
}

func (c *stdioConnection) message(l line) (jsonrpc.Message, error) {
	if l.answers != "" {
		if message, ok := tooLarge(l.answers); ok {
			return message, nil
		}
	}
	return jsonrpc.DecodeMessage(c.odd.without(l.text))
}

// Write writes a message, unless the attempt has lost the right to act.
func (c *stdioConnection) Write(ctx context.Context, message jsonrpc.Message) error {
	text, err := jsonrpc.EncodeMessage(message)
	if err != nil {
		return err
	}
	select {
	case c.writing <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-c.writing }()
	if err := lease.Check(ctx); err != nil {
		return unsent(err)
	}
	if err = c.program.write(ctx, append(text, '\n')); err == nil {
		return nil
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c.program.Gone():
		return &errBroken{c.program.Exit()}
	}
}

// unsent marks an error as one of a single message: the SDK then keeps the
// connection.
func unsent(err error) error {
	return fmt.Errorf("%w: %w", &jsonrpc.Error{Code: codeRejected, Message: "not sent"}, err)
}

// Close does not wait: the SDK calls it while it holds a lock.
func (c *stdioConnection) Close() error {
	c.program.stop()
	return nil
}

func (c *stdioConnection) SessionID() string { return "" }
