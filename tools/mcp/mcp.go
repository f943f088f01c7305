// Package mcp has MCP servers as sets of tools: programs that talk over their
// standard input and output, and servers that speak streamable HTTP.
//
// One connection serves all calls. It is made when it is first needed, made again
// after it broke, and tied to no caller. What a server says about a call goes to
// the model, its complaints included. An error means that the server could not be
// reached, or turned us down, or was lost on the way; nothing is tried twice here.
//
// Calls carry their key in _meta as [MetaKey].
package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/program"
	"github.com/parley-run/parley/tools"
)

// MetaKey is where a server with effects finds the call's key: the same for every
// attempt of a call, and different for any other.
const MetaKey = "parley/idempotency-key"

// A Set is the tools of one server. Create it with [New], and close it.
type Set struct {
	cfg       Config // without its secrets
	link      func(life context.Context) link
	words     words
	closeIdle func()

	ctx  context.Context // done once the set is closed
	stop context.CancelCauseFunc
	open sync.WaitGroup // connections that are not over yet

	hangsAfter    time.Duration
	made, version atomic.Uint64

	mu      sync.Mutex
	current *connection // nil: to be made
}

var (
	_ tools.Set       = (*Set)(nil)
	_ tools.Checker   = (*Set)(nil)
	_ tools.Versioned = (*Set)(nil)
	_ io.Closer       = (*Set)(nil)
)

// New checks the configuration and reports every fault at once. It neither starts
// a program nor touches the network: the first call does.
func New(cfg Config) (*Set, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("mcp: %w", err)
	}
	cfg = cfg.withDefaults()
	s := &Set{words: cfg.words(), closeIdle: func() {}, hangsAfter: hangsAfter}
	s.ctx, s.stop = context.WithCancelCause(context.Background())
	if cfg.URL != "" {
		s.link, s.closeIdle = toServer(cfg, s.words)
	} else {
		s.link = toProgram(cfg.plain(), program.Environment(nil, cfg.Env, cfg.LookupEnv), s.words)
	}
	s.cfg = cfg.plain()
	return s, nil
}

// plain is the configuration without what is nobody's business.
func (c Config) plain() Config {
	c.Env, c.Headers, c.URL, c.LookupEnv, c.HTTPClient = nil, nil, "", nil, nil
	return c
}

// String names the server.
func (s *Set) String() string { return "MCP server " + s.cfg.Name }

// op is what errors say was tried.
func (s *Set) op(what string) string { return fmt.Sprintf("mcp: %s %q", what, s.cfg.Name) }

// Version changes when the tools may have changed: a program said so, or the
// connection is a new one.
func (s *Set) Version() uint64 { return s.version.Load() }

// with runs do on the connection, until ctx is done or the set is closed. An
// error that leaves the connection useless has the next caller make a new one.
func (s *Set) with(ctx context.Context, do func(context.Context, *sdk.ClientSession) error) error {
	c, err := s.acquire(ctx)
	if err != nil {
		return err
	}
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.ctx, func() { cancel(errClosed) })()
	begun := time.Now()
	err = do(inner, c.session)
	if err != nil && inner.Err() != nil {
		err = context.Cause(inner)
	}
	// One that hangs is replaced: else each later call would wait in vain, too.
	hangs := err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) && c.hangs(time.Since(begun), s.hangsAfter)
	s.release(c, hangs || inner.Err() == nil && breaks(err))
	return err
}

// A list is bounded: a server that always has another page has none.
const (
	maxPages  = 100
	maxListed = 10_000   // tools
	maxList   = 32 << 20 // bytes of names, descriptions and schemas
)

// List describes the tools there are, page by page.
func (s *Set) List(ctx context.Context) ([]conversation.Tool, error) {
	op := s.op("list the tools of")
	if ctx.Err() != nil {
		return nil, s.failed(ctx, op, context.Cause(ctx))
	}
	var out []conversation.Tool
	err := s.with(ctx, func(ctx context.Context, session *sdk.ClientSession) error {
		cursor, size := "", 0
		for range maxPages {
			page, err := session.ListTools(ctx, &sdk.ListToolsParams{Cursor: cursor})
			if err != nil {
				return err
			}
			for _, t := range page.Tools {
				tool := described(t)
				size += len(tool.Name) + len(tool.Description) + len(tool.Schema)
				out = append(out, tool)
			}
			switch {
			case len(out) > maxListed:
				return endless("the list has more than %d tools", maxListed)
			case size > maxList:
				return endless("the list has more than %d MiB", maxList>>20)
			case page.NextCursor == "", page.NextCursor == cursor: // the same again leads nowhere
				return nil
			}
			cursor = page.NextCursor
		}
		return endless("the list has more than %d pages", maxPages)
	})
	if err != nil {
		e := s.failed(ctx, op, err)
		e.Ambiguous, e.Answered = false, false // there is nothing to land
		return nil, e
	}
	return out, nil
}

func endless(format string, args ...any) error {
	return &conversation.Error{
		Kind: conversation.Invalid, Err: fmt.Errorf(format, args...),
		Remedy: "check the server: the last page has no cursor",
	}
}

// described is what a model is told of a tool.
func described(t *sdk.Tool) conversation.Tool {
	out := conversation.Tool{Name: t.Name, Description: t.Description}
	if out.Description == "" {
		out.Description = t.Title
	}
	if _, ok := t.InputSchema.(map[string]any); ok {
		out.Schema, _ = json.Marshal(t.InputSchema) // it was JSON before: it cannot fail
	}
	return out
}

// Call runs a tool.
func (s *Set) Call(ctx context.Context, call tools.Call) (tools.Result, error) {
	op := s.op("call " + strconv.Quote(call.Name) + " of")
	if ctx.Err() != nil {
		return tools.Result{}, s.failed(ctx, op, context.Cause(ctx))
	}
	arguments, ok := object(call.Arguments)
	if !ok {
		return failure("The arguments are not a JSON object."), nil
	}
	var (
		result *sdk.CallToolResult
		sent   bool
	)
	err := s.with(ctx, func(ctx context.Context, session *sdk.ClientSession) (err error) {
		sent = true
		params := &sdk.CallToolParams{Name: call.Name, Arguments: arguments}
		if call.Key != "" {
			params.Meta = sdk.Meta{MetaKey: call.Key}
		}
		result, err = session.CallTool(ctx, params)
		return err
	})
	if err == nil {
		out := translate(result)
		if out.IsError { // the server's words, as in an error
			out.Content = s.words.redact(out.Content)
		}
		return out, nil
	}
	if errors.Is(err, errTooLarge) {
		return failure("The tool has run, but its answer is larger than 16 MiB and was left out. Ask for less."), nil
	}
	if complaint := complaintOf(err); complaint != nil {
		return failure(s.refuses(complaint)), nil
	}
	e := s.failed(ctx, op, err)
	e.Ambiguous = e.Ambiguous && sent
	return tools.Result{}, e
}

// object is the arguments as an object. None is an empty one.
func object(raw json.RawMessage) (json.RawMessage, bool) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return json.RawMessage("{}"), true
	}
	return raw, raw[0] == '{' && json.Valid(raw)
}

// checkTimeout bounds a check.
const checkTimeout = 5 * time.Second

// Check connects unless there is a connection, and asks the server for a sign of
// life.
func (s *Set) Check(ctx context.Context) error {
	op := s.op("check")
	if ctx.Err() != nil {
		return s.failed(ctx, op, context.Cause(ctx))
	}
	ctx, cancel := context.WithTimeoutCause(ctx, checkTimeout, fmt.Errorf("no answer within %v", checkTimeout))
	defer cancel()
	err := s.with(ctx, func(ctx context.Context, session *sdk.ClientSession) error { return session.Ping(ctx, nil) })
	if err != nil {
		e := s.failed(ctx, op, err)
		e.Ambiguous, e.Answered = false, false
		return e
	}
	return nil
}

// Close ends the connection and the program with everything it has started, and
// returns once they are gone. Calls that are under way fail.
func (s *Set) Close() error {
	s.mu.Lock()
	s.stop(errClosed)
	if s.current != nil {
		s.retire(s.current)
	}
	s.mu.Unlock()
	s.open.Wait()
	s.closeIdle()
	return nil
}
