package mcp

import (
	"bufio"
	"context"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// stdio is a transport of our own and not the SDK's: with that, a program that
// does not read holds up every call whatever its context, a line that is no
// message or too long ends the connection, and children are left behind.
type stdio struct {
	start   func() (*process, error)
	program *process // nil: it did not start
}

func (t *stdio) Connect(context.Context) (sdk.Connection, error) {
	p, err := t.start()
	if err != nil {
		return nil, err
	}
	t.program = p
	return &stdioConnection{program: p, stdout: bufio.NewReaderSize(p.Stdout, 64<<10), writing: make(chan struct{}, 1)}, nil
}

type stdioConnection struct {
	program *process
	stdout  *bufio.Reader
	writing chan struct{} // holds a token while somebody writes
}

// errBroken means that the connection is no more, and why.
type errBroken struct{ reason error }

func (e *errBroken) Error() string { return e.reason.Error() }
func (e *errBroken) Unwrap() error { return e.reason }

// Read returns the next message. What is none is for the log.
func (c *stdioConnection) Read(context.Context) (jsonrpc.Message, error) {
	for {
		line, large, err := readLine(c.stdout)
		if err != nil {
			c.program.stop()
			_ = c.program.Stdout.Close()
			return nil, &errBroken{c.program.Exit()}
		}
		if large != "" {
			if message, ok := tooLarge(large); ok {
				return message, nil
			}
		}
		message, err := jsonrpc.DecodeMessage(line)
		if err == nil {
			return message, nil
		}
		if text := c.program.clean(string(line)); text != "" {
			c.program.logger.Warn("tool server writes what is no message: its log belongs on standard error", "line", text)
		}
	}
}

func (c *stdioConnection) Write(ctx context.Context, message jsonrpc.Message) error {
	line, err := jsonrpc.EncodeMessage(message)
	if err != nil {
		return err
	}
	select {
	case c.writing <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-c.writing }()
	if err = c.program.write(ctx, append(line, '\n')); err == nil {
		return nil
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c.program.Gone():
		return &errBroken{c.program.Exit()}
	}
}

// Close does not wait: the SDK calls it while it holds a lock.
func (c *stdioConnection) Close() error {
	c.program.stop()
	return nil
}

func (c *stdioConnection) SessionID() string { return "" }
