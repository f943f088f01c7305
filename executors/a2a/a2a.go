// Package a2a is an executor that calls an agent over the Agent2Agent protocol,
// version 0.3 or 1.0, by JSON-RPC, or by HTTP+JSON of version 1.0. The agent's card
// states its address, version and abilities; an answer is a message, or a task that is
// followed until it ends. A retry attaches to the task of an earlier attempt.
//
// A dialect writes the requests of a version, and a binding carries them; what the
// agent answers is read by its shape. Requests of version 0.3 have the types of the official SDK. Its client is
// not used: it reads lines of a stream up to 64 KiB only, and drops the text of an
// error and the requested delay.
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

// An Executor calls one agent. Create it with [New].
type Executor struct {
	cfg     Config   // without its secrets
	cardURL *url.URL // address of the agent's card
	// oldCardURL is where else it may be. Nil: nowhere.
	oldCardURL *url.URL
	endpoint   *url.URL // nil: the card names it
	dialect    dialect  // nil: the card names it
	hasKeys    bool
	client     *http.Client
	sign       func(*http.Request)
	failure    wire.Failure
	cards      cards
}

var (
	_ executors.Executor = (*Executor)(nil)
	_ executors.Checker  = (*Executor)(nil)
	_ executors.Toolless = (*Executor)(nil)
)

// New validates the configuration and reports all faults at once. It does not use
// the network: the first Execute or Check reads the card.
func New(cfg Config) (*Executor, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("a2a: %w", err)
	}
	cfg = cfg.withDefaults()
	at, old := cardAddresses(cfg.URL)
	e := &Executor{
		cardURL: at, oldCardURL: old, client: modelcall.Client(cfg.HTTPClient), sign: modelcall.Sender(cfg.Headers, cfg.BearerToken),
		hasKeys: cfg.BearerToken != "" || len(cfg.Headers) > 0,
		failure: wire.Failure{Op: "a2a: ask the agent at " + at.Host, Clean: cleaner(cfg), Remedies: remedies},
	}
	if cfg.Endpoint != "" {
		e.endpoint, _ = url.Parse(cfg.Endpoint) // validated
	}
	if cfg.Protocol != ProtocolAuto {
		e.dialect = dialectOf(cfg.Protocol, nil)
	}
	cfg.BearerToken, cfg.Headers = "", nil
	cfg.URL, cfg.Endpoint = "", "" // a query may hold a key
	e.cfg = cfg
	return e, nil
}

// String names the agent's server.
func (e *Executor) String() string { return "agent at " + e.cardURL.Host }

// Toolless reports that the agent has tools of its own.
func (*Executor) Toolless() bool { return true }

// Execute requests the agent's next reply, or attaches to the task of an earlier
// attempt.
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
