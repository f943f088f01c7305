// Package a2a is an executor that reaches an agent over the Agent2Agent protocol,
// version 0.3, by JSON-RPC. The agent's card says where it is and what it can do;
// an answer is a message, or a task that is followed until it is done. A retry
// takes over the task that an earlier attempt has begun.
//
// The protocol's words are those of the official SDK. Its client is not used: it
// reads lines of a stream up to 64 KiB, and keeps neither what a server says of an
// error nor how long it asks to wait.
package a2a

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/wire"
)

// An Executor asks one agent. Create it with [New].
type Executor struct {
	cfg      Config   // without its secrets
	cardURL  *url.URL // where the agent's card is
	endpoint *url.URL // nil: where the card says
	hasKeys  bool
	client   *http.Client
	sign     func(*http.Request)
	failure  wire.Failure
	cards    cards
}

var (
	_ executors.Executor = (*Executor)(nil)
	_ executors.Checker  = (*Executor)(nil)
	_ executors.Toolless = (*Executor)(nil)
)

// New checks the configuration and reports every fault at once. It does not touch
// the network: the card is read by the first Execute or Check.
func New(cfg Config) (*Executor, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("a2a: %w", err)
	}
	cfg = cfg.withDefaults()
	at := cardAddress(cfg.URL)
	e := &Executor{
		cardURL: at, client: modelcall.Client(cfg.HTTPClient), sign: signer(cfg),
		hasKeys: cfg.BearerToken != "" || len(cfg.Headers) > 0,
		failure: wire.Failure{Op: "a2a: ask the agent at " + at.Host, Clean: cleaner(cfg), Remedies: remedies},
	}
	if cfg.Endpoint != "" {
		e.endpoint, _ = url.Parse(cfg.Endpoint) // validated
	}
	cfg.BearerToken, cfg.Headers = "", nil
	cfg.URL, cfg.Endpoint = "", "" // a query may be a key
	e.cfg = cfg
	return e, nil
}

// String names the agent's server.
func (e *Executor) String() string { return "agent at " + e.cardURL.Host }

// Toolless says that the agent has tools of its own.
func (*Executor) Toolless() bool { return true }

// Execute asks the agent for its next reply, or for the one that an earlier
// attempt asked for.
func (e *Executor) Execute(caller context.Context, req executors.Request) (executors.Result, error) {
	if caller.Err() != nil {
		return executors.Result{}, modelcall.Stopped(caller, e.failure.Op)
	}
	ctx, watch := e.cfg.timers().Watch(caller, e.cfg.Streaming != StreamingOff)
	defer watch.Stop()
	x := &exchange{Executor: e, req: req, watch: watch, answer: e.newAnswer(req)}
	err := x.run(ctx)
	if err == nil {
		var res executors.Result
		if res, err = x.result(); err == nil {
			return res, nil
		}
	}
	x.abandon(caller)
	return executors.Result{}, x.failed(ctx, err)
}
