// Package mcp has MCP servers as sets of tools: programs that communicate over
// standard input and output, and servers with streamable HTTP.
//
// All calls share one connection, opened at the first call and again after it
// breaks. Calls carry their key in _meta as [MetaKey]. Nothing is retried here.
//
// # Answers and errors
//
// An answer that arrived is a result, whatever its shape: the model is told what could be
// read. An error of Call means that there is no answer. It is Ambiguous unless the call was
// provably not made:
//
//	what happened                                               outcome
//	a result; an error of JSON-RPC, of any code                 result
//	an answer against the protocol: version, id, shape          result
//	a complete body or line that is not JSON, or is too large   result
//	an error of JSON-RPC under 400 that refuses the call,
//	under 422 or under 5xx                                      result
//	the program does not start; the server is not found,
//	refuses the connection or has a wrong certificate           not made
//	the connection could not be introduced, whatever the reason not made
//	given up or closed before anything was written              not made
//	the attempt had lost the right to act                       not made
//	3xx except 303; 4xx except those below; 501, 505, 511       not made
//	an unknown session (404, 400)                               not made
//	the connection, stream or program ended after the call was
//	written; a time-out                                         ambiguous
//	303, 408, 409, 424, 444, 460, 499; any other 5xx            ambiguous
//	2xx with a web page, an empty body, the answer to another
//	call, or a stream that ends without the answer              ambiguous
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

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"go.opentelemetry.io/otel/propagation"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/program"
	"github.com/parley-run/parley/tools"
)

// MetaKey is the name of a call's key in _meta, for servers with effects: the same
// for every attempt of a call, and different for any other.
const MetaKey = "parley/idempotency-key"

// A Set is the tools of one server. Create it with [New], and close it.
type Set struct {
	cfg       Config // without its secrets
	link      func(life context.Context) link
	words     words
	closeIdle func()

	ctx  context.Context // done when the set is closed
	stop context.CancelCauseFunc
	open sync.WaitGroup // connections that have not ended

	hangsAfter    time.Duration
	made, version atomic.Uint64
	modern        atomic.Bool // the next connection begins without a session

	mu      sync.Mutex
	current *connection // nil: the next call opens one
}

var (
	_ tools.Set       = (*Set)(nil)
	_ tools.Checker   = (*Set)(nil)
	_ tools.Versioned = (*Set)(nil)
	_ io.Closer       = (*Set)(nil)
)

// New validates the configuration and reports all faults at once. It neither starts
// a program nor uses the network: the first call does.
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

// plain returns the configuration without secrets.
func (c Config) plain() Config {
	c.Env, c.Headers, c.URL, c.LookupEnv, c.HTTPClient = nil, nil, "", nil, nil
	return c
}

// String names the server.
func (s *Set) String() string { return "MCP server " + s.cfg.Name }

// op names the operation in errors.
func (s *Set) op(what string) string { return fmt.Sprintf("mcp: %s %q", what, s.cfg.Name) }

// Version changes when the tools may have changed: the server notified us, or the
// connection is new.
func (s *Set) Version() uint64 { return s.version.Load() }

// with runs do on the connection, until ctx is done or the set is closed. After an
// error that makes the connection unusable, the next caller opens a new one.
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
	s.notesProtocol(err)
	// A hanging connection is replaced: each later call would time out too.
	hangs := err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) && c.hangs(time.Since(begun), s.hangsAfter)
	s.release(c, hangs || inner.Err() == nil && breaks(err) || deliveryOf(ctx).renews())
	return err
}

// Bounds of a list: a faulty server may return pages without end.
const (
	maxPages  = 100
	maxListed = 10_000   // tools
	maxList   = 32 << 20 // bytes of names, descriptions and schemas
)

// List describes the tools, page by page.
func (s *Set) List(ctx context.Context) ([]conversation.Tool, error) {
	op := s.op("list the tools of")
	if ctx.Err() != nil {
		return nil, s.failed(ctx, op, context.Cause(ctx))
	}
	var out []conversation.Tool
	err := s.with(ctx, func(ctx context.Context, session *sdk.ClientSession) (err error) {
		out, err = pages(ctx, session)
		return err
	})
	if err != nil {
		e := s.failed(ctx, op, err)
		e.Ambiguous, e.Answered = false, false // a listing has no effects
		return nil, e
	}
	return out, nil
}

// pages lists all tools.
func pages(ctx context.Context, session *sdk.ClientSession) ([]conversation.Tool, error) {
	var out []conversation.Tool
	cursor, size, seen := "", 0, map[string]bool{}
	for range maxPages {
		page, err := session.ListTools(ctx, &sdk.ListToolsParams{Cursor: cursor})
		if err != nil {
			return nil, err
		}
		for _, t := range page.Tools {
			tool := described(t)
			size += len(tool.Name) + len(tool.Description) + len(tool.Schema) + len(tool.Annotations)
			out = append(out, tool)
		}
		seen[cursor] = true
		switch {
		case len(out) > maxListed:
			return nil, endless("the list has more than %d tools", maxListed)
		case size > maxList:
			return nil, endless("the list has more than %d MiB", maxList>>20)
		case seen[page.NextCursor]: // it is empty, or leads to a page that is known
			return out, nil
		}
		cursor = page.NextCursor
	}
	return nil, endless("the list has more than %d pages", maxPages)
}

func endless(format string, args ...any) error {
	return &conversation.Error{
		Kind: conversation.Invalid, Err: fmt.Errorf(format, args...),
		Remedy: "check the server: the last page has no cursor",
	}
}

// described returns the description of a tool for the model.
func described(t *sdk.Tool) conversation.Tool {
	out := conversation.Tool{Name: t.Name, Description: t.Description}
	if out.Description == "" {
		out.Description = t.Title
	}
	if _, ok := t.InputSchema.(map[string]any); ok {
		out.Schema, _ = json.Marshal(t.InputSchema) // cannot fail: it was decoded from JSON
	}
	if hints := t.Annotations; hints != nil {
		// The protocol's defaults: a tool changes its environment, and again with each
		// call.
		out.Repeatable = hints.ReadOnlyHint || hints.IdempotentHint
		text, _ := json.Marshal(hints)
		out.Annotations = string(text)
	}
	return out
}

// meta is what goes beside a call: its key, and the context of its span, under the names
// that MCP reserves for it. A server over standard input and output has no headers.
func meta(ctx context.Context, key string) sdk.Meta {
	fields := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, fields)
	all := sdk.Meta{}
	for name, value := range fields {
		all[name] = value
	}
	if key != "" {
		all[MetaKey] = key
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// Call runs a tool.
func (s *Set) Call(ctx context.Context, call tools.Call) (tools.Result, error) {
	op := s.op("call " + strconv.Quote(call.Name) + " of")
	if ctx.Err() != nil {
		e := s.failed(ctx, op, context.Cause(ctx))
		e.Ambiguous = false
		return tools.Result{}, e
	}
	arguments, ok := object(call.Arguments)
	if !ok {
		return failure("The arguments are not a JSON object."), nil
	}
	ctx, delivery := withDelivery(ctx)
	err := s.with(ctx, func(ctx context.Context, session *sdk.ClientSession) error {
		params := &sdk.CallToolParams{Name: call.Name, Arguments: arguments}
		params.Meta = meta(ctx, call.Key)
		_, err := session.CallTool(ctx, params)
		return err
	})
	if result := delivery.answer(); result != nil { // final, even if the call was given up meanwhile
		if result.IsError { // the server's text, cleaned as in an error
			result.Content = s.words.redact(result.Content)
		}
		return *result, nil
	}
	if err == nil { // no transport gives the SDK an answer that it does not keep
		err = errNotOurs
	}
	e := s.failed(ctx, op, err)
	e.Ambiguous = e.Ambiguous && delivery.wasSent()
	return tools.Result{}, e
}

// object returns the arguments as an object. No arguments are an empty one.
func object(raw json.RawMessage) (json.RawMessage, bool) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return json.RawMessage("{}"), true
	}
	return raw, raw[0] == '{' && json.Valid(raw)
}

// checkTimeout bounds a check.
const checkTimeout = 5 * time.Second

// Check connects unless there is a connection, and pings the server.
func (s *Set) Check(ctx context.Context) error {
	op := s.op("check")
	if ctx.Err() != nil {
		return s.failed(ctx, op, context.Cause(ctx))
	}
	ctx, cancel := context.WithTimeoutCause(ctx, checkTimeout, fmt.Errorf("no answer within %v", checkTimeout))
	defer cancel()
	err := s.with(ctx, func(ctx context.Context, session *sdk.ClientSession) error {
		if isModern(session) { // it has no ping
			_, err := session.ListTools(ctx, nil)
			return err
		}
		err := session.Ping(ctx, nil)
		if said := answerOf(err); said != nil && said.Code == jsonrpc.CodeMethodNotFound {
			return nil // some servers do not know it
		}
		return err
	})
	if err != nil {
		e := s.failed(ctx, op, err)
		e.Ambiguous, e.Answered = false, false
		return e
	}
	return nil
}

// Close ends the connection and the program with its process group, and returns
// when they have ended. Calls in progress fail.
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
