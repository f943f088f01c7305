package mcp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/parley-run/parley/internal/lease"
	"github.com/parley-run/parley/internal/program"
	"github.com/parley-run/parley/tools"
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
	waiting     waiting
	queue       []jsonrpc.Message // of a list of messages, not read yet
}

// waiting are the requests that have no answer yet.
type waiting struct {
	mu   sync.Mutex
	byID map[int64]*request
}

type request struct {
	id       jsonrpc.ID
	delivery *delivery // nil: no call of a tool
	forget   func() bool
}

// add records a request until its answer arrives or ctx is done.
func (w *waiting) add(ctx context.Context, id jsonrpc.ID) {
	n, ok := id.Raw().(int64)
	if !ok {
		return
	}
	r := &request{id: id, delivery: deliveryOf(ctx)}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byID == nil {
		w.byID = make(map[int64]*request)
	}
	w.byID[n] = r
	r.forget = context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.byID, n)
	})
}

// take returns the request of that id, which has its answer now; nil: there is none.
func (w *waiting) take(id int64) *request {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.byID[id]
	if r != nil {
		delete(w.byID, id)
		r.forget()
	}
	return r
}

// only returns the id of the one request that waits, if there is one alone.
func (w *waiting) only() (id int64, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id = range w.byID {
	}
	return id, len(w.byID) == 1
}

// A pulse records when a program last sent something, and when a line began that has not
// ended yet.
type pulse struct{ at, begun atomic.Pointer[time.Time] }

// stuckAfter is how long a line may take before calls go to another program: the answers
// to calls wait behind it.
const stuckAfter = 2 * time.Second

func (p *pulse) begin() {
	now := time.Now()
	p.begun.Store(&now)
}

func (p *pulse) end() { p.begun.Store(nil) }

func (p *pulse) stuck() bool {
	begun := p.begun.Load()
	return begun != nil && time.Since(*begun) > stuckAfter
}

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
		if len(c.queue) > 0 {
			message := c.queue[0]
			c.queue = c.queue[1:]
			return message, nil
		}
		line, err := c.next()
		if err != nil {
			c.end()
			var broken *errBroken
			if errors.As(err, &broken) {
				return nil, broken
			}
			return nil, &errBroken{c.program.Exit()}
		}
		c.lastOutput.note()
		messages, answers, ok := c.messages(line)
		if !answers {
			if flood := c.flood.Add(len(line.text)); flood != nil {
				c.program.logger.Warn("tool server is stopped", "error", flood.Error())
				c.end()
				return nil, &errBroken{flood}
			}
		}
		if !ok {
			c.junk.Line(slog.LevelWarn, "tool server wrote a line that is no message: it should log to standard error",
				func() string { return c.program.clean(string(line.text)) })
		}
		c.queue = messages
	}
}

// end stops the program.
func (c *stdioConnection) end() {
	c.junk.Close()
	c.program.stop()
	_ = c.program.Stdout.Close()
}

// next returns the next line.
func (c *stdioConnection) next() (line, error) {
	if _, err := c.stdout.Peek(1); err != nil { // the program may take its time before a line
		return line{}, err
	}
	_ = c.program.Stdout.SetReadDeadline(time.Now().Add(c.lineTimeout))
	c.lastOutput.begin()
	next, err := readLine(c.stdout)
	c.lastOutput.end()
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

// messages returns the messages of a line for the SDK. Answers reports that one of them
// answers a request. Not ok: the line is no message.
func (c *stdioConnection) messages(l line) (out []jsonrpc.Message, answers, ok bool) {
	if l.answers != "" {
		out = c.unread(l.answers, tooLarge, errTooLarge)
		return out, out != nil, out != nil
	}
	opened, ok := open(l.text)
	if !ok {
		if !l.cut {
			out = c.broken(l.text)
		}
		return out, out != nil, out != nil
	}
	for _, e := range opened {
		if !e.isAnswer() {
			message, err := e.decoded()
			if err != nil {
				return nil, false, false
			}
			out = append(out, message)
			continue
		}
		if r := c.requestOf(e); r != nil { // else it was abandoned
			out, answers = append(out, c.response(e, r)), true
		}
	}
	return out, answers, true
}

// requestOf returns the request that a message answers. One without an id answers the
// only request there is.
func (c *stdioConnection) requestOf(e envelope) *request {
	id, ok := e.number()
	if e.id == nil {
		id, ok = c.waiting.only()
	}
	if !ok {
		return nil
	}
	return c.waiting.take(id)
}

// response is the answer to a request. It does not end the session.
func (c *stdioConnection) response(e envelope, r *request) *jsonrpc.Response {
	out := c.odd.response(e, r.id, r.delivery)
	r.delivery.stay()
	return out
}

// broken returns an answer of a line that is not JSON, but seems to be one.
func (c *stdioConnection) broken(text []byte) []jsonrpc.Message {
	text, ok := seemsAnswer(text)
	if !ok {
		return nil
	}
	if opened, ok := open(text); ok && len(opened) == 1 && opened[0].isAnswer() { // words precede it
		if r := c.requestOf(opened[0]); r != nil {
			return []jsonrpc.Message{c.response(opened[0], r)}
		}
		return nil
	}
	scanner := &idScanner{}
	scanner.scan(text)
	return c.unread(string(scanner.id), func() (tools.Result, bool) { return unreadable(text) }, errUnreadable)
}

// unread returns an answer in place of one that cannot be read; nil: no request has the
// id.
func (c *stdioConnection) unread(id string, means func() (tools.Result, bool), reason error) []jsonrpc.Message {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return nil
	}
	r := c.waiting.take(n)
	switch {
	case r == nil:
		return nil
	case r.delivery == nil:
		return []jsonrpc.Message{&jsonrpc.Response{ID: r.id, Error: reason}}
	}
	return []jsonrpc.Message{kept(r.id, r.delivery, means)}
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
	if r, ok := message.(*jsonrpc.Request); ok && r.IsCall() {
		c.waiting.add(ctx, r.ID)
	}
	n, err := c.program.write(ctx, append(text, '\n'))
	if n >= len(text) { // of less the program can make no call
		deliveryOf(ctx).send()
	}
	if err == nil {
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
