// Package iiifunction is an executor whose replies come from a function of an iii engine:
// AgentOS's agent::chat, its llm::complete as a plain model, or any other function by
// configuration. A guard function may scan messages before the agent gets them.
//
// The executor is a worker of the engine that serves nothing. It connects with the first
// request, keeps the connection, and closes it with Close. The protocol can neither stop
// a called function nor query its outcome: errors report whether the function may have
// run.
package iiifunction

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/wire"
	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/lease"
)

// An Executor calls one function. Create it with [New].
type Executor struct {
	cfg     Config // without its secrets
	host    string
	link    *link
	clean   func(string) string
	log     *slog.Logger
	dialect dialect
}

// A dialect makes requests and reads answers.
type dialect interface {
	// request returns the data of the call, and the text for the guard.
	request(req executors.Request) (data json.RawMessage, text string, err error)
	// answer decodes a result. Its error may be a [*refusal].
	answer(result json.RawMessage) (wire.Frame, error)
}

var (
	_ executors.Executor = (*Executor)(nil)
	_ executors.Checker  = (*Executor)(nil)
	_ executors.Once     = (*Executor)(nil)
	_ executors.Toolless = (*Executor)(nil)
	_ io.Closer          = (*Executor)(nil)
)

// New checks the configuration and reports every fault at once. It does not
// connect: the first request does, or Check.
func New(cfg Config) (*Executor, error) {
	mapping, err := cfg.validate()
	if err != nil {
		return nil, fmt.Errorf("iii: %w", err)
	}
	cfg = cfg.withDefaults()
	u, _ := url.Parse(cfg.URL) // validated
	e := &Executor{host: u.Host, clean: cleaner(cfg), log: cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))}
	e.link = newLink(cfg, slog.New(cleanHandler{e.log.Handler(), e.clean}))
	cfg.Headers, cfg.Query, cfg.URL = nil, nil, "" // a query may be a key
	e.cfg = cfg
	switch cfg.Dialect {
	case DialectAgentOS:
		e.dialect = agentOS{cfg}
	case DialectLLM:
		e.dialect = llm{cfg}
	case DialectPlain:
		e.dialect = plain{cfg.Send, mapping}
	}
	return e, nil
}

// String names the function and the engine.
func (e *Executor) String() string { return e.cfg.Function + " of the iii engine at " + e.host }

// AtMostOnce reports whether the function must not run twice for one request.
func (e *Executor) AtMostOnce() bool { return e.cfg.AtMostOnce }

// Close closes the connection. Calls that wait for an answer fail.
func (e *Executor) Close() error {
	e.link.close()
	return nil
}

// Toolless is true: the function gets no tools.
func (*Executor) Toolless() bool { return true }

// Execute calls the function once.
func (e *Executor) Execute(ctx context.Context, req executors.Request) (executors.Result, error) {
	if ctx.Err() != nil {
		return executors.Result{}, &conversation.Error{Kind: conversation.Unavailable, Op: e.op(e.cfg.Function), Err: ctx.Err()}
	}
	// The answer comes in one piece, so only the total timeout applies.
	timers := modelcall.Timers{Total: e.cfg.Timeout, FirstToken: e.cfg.Timeout, Gap: e.cfg.Timeout}
	ctx, watch := timers.Watch(ctx, false)
	defer watch.Stop()
	data, text, err := e.dialect.request(req)
	if err != nil {
		return executors.Result{}, e.unusable(err)
	}
	worker, err := e.link.connect(ctx, e.cfg.ConnectTimeout)
	if err != nil {
		return executors.Result{}, e.failed(ctx, e.cfg.Function, err)
	}
	if err := e.guard(ctx, worker, text); err != nil {
		return executors.Result{}, err
	}
	result, err := worker.Invoke(ctx, e.cfg.Function, data, e.options(req)...)
	if err != nil {
		return executors.Result{}, e.failed(ctx, e.cfg.Function, err)
	}
	return e.result(result)
}

// options of a call. Only the context bounds it.
func (e *Executor) options(req executors.Request) []iii.CallOption {
	options := []iii.CallOption{iii.Timeout(0), iii.Permit(lease.Check)}
	if e.cfg.Namespace != "" {
		options = append(options, iii.InNamespace(e.cfg.Namespace))
	}
	if req.IdempotencyKey != "" {
		// Engines before 0.21.3 leave it out.
		options = append(options, iii.Metadata(map[string]string{"idempotency_key": req.IdempotencyKey}))
	}
	return options
}

// dropsThoughts reports whether thoughts are taken out of texts. What answers by the
// contract says what it means to say.
func (e *Executor) dropsThoughts() bool {
	p, isPlain := e.dialect.(plain)
	return e.cfg.Thoughts == executors.DropThoughts || e.cfg.Thoughts == "" && (!isPlain || p.mapping.mapped)
}

// result decodes the function's answer.
func (e *Executor) result(result json.RawMessage) (executors.Result, error) {
	answer := &wire.Answer{MaxReplyBytes: e.cfg.MaxReplyBytes, Provider: e.cfg.Provider, Model: cmp.Or(e.cfg.Model, e.cfg.AgentID)}
	answer.DropThoughts = e.dropsThoughts()
	frame, err := e.read(result)
	if err == nil {
		err = answer.Add(frame)
	}
	var res executors.Result
	if err == nil {
		res, err = answer.Result()
	}
	if err != nil {
		out := e.unusable(err)
		out.Answered = true
		var refused *refusal
		if !errors.As(err, &refused) {
			// A function that answers has run, unless it reports an error of its own.
			var given *wire.Error
			out.Ambiguous = !errors.As(err, &given) || out.Kind == conversation.Unavailable
			out.Usage = answer.Usage()
		}
		return executors.Result{}, out
	}
	return res, nil
}

func (e *Executor) read(result json.RawMessage) (wire.Frame, error) {
	switch {
	case len(result) == 0:
		return wire.Frame{}, modelcall.ErrNoAnswer
	case len(result) > wire.MaxFrame(e.cfg.MaxReplyBytes):
		return wire.Frame{}, modelcall.ErrTooLarge
	}
	return e.dialect.answer(result)
}

func (e *Executor) op(function string) string {
	return fmt.Sprintf("iii: call %s at %s", function, e.host)
}
