// Package http is an executor that calls an agent of your own over HTTP: one POST
// per turn, answered with JSON or with server-sent events. The contract is package
// wire's and described in docs/executors/http.md. An agent with another format, for
// example behind LangServe or LangGraph's server, is configured: a template makes
// the request, paths read the answer.
//
// A slow agent may answer 202 and be polled. A retry then attaches to the run in
// progress and starts none.
package http

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/wire"
)

// An Executor calls one agent. Create it with [New].
type Executor struct {
	cfg     Config // without its secrets
	url     *url.URL
	health  *url.URL // nil: a connection is enough
	client  *http.Client
	sign    func(*http.Request, []byte)
	mapping *mapping // nil: the contract's format
	failure wire.Failure
}

var (
	_ executors.Executor = (*Executor)(nil)
	_ executors.Checker  = (*Executor)(nil)
	_ executors.Toolless = (*Executor)(nil)
)

// New validates the configuration and reports all faults at once.
func New(cfg Config) (*Executor, error) {
	mapping, err := cfg.validate()
	if err != nil {
		return nil, fmt.Errorf("http: %w", err)
	}
	cfg = cfg.withDefaults()
	u, _ := url.Parse(cfg.URL) // validated
	e := &Executor{
		url: u, client: modelcall.Client(cfg.HTTPClient), sign: signer(cfg), mapping: mapping,
		failure: wire.Failure{Op: "http: ask the agent at " + u.Host, Clean: cleaner(cfg), Remedies: remedies},
	}
	if cfg.Health != "" {
		ref, _ := url.Parse(cfg.Health) // validated
		e.health = u.ResolveReference(ref)
	}
	cfg.BearerToken, cfg.HMAC.Secret, cfg.Headers = "", "", nil
	cfg.URL, cfg.Health = "", "" // a query may hold a key
	e.cfg = cfg
	return e, nil
}

// String names the agent's server.
func (e *Executor) String() string { return "agent at " + e.url.Host }

// Toolless reports that the agent has tools of its own.
func (*Executor) Toolless() bool { return true }

// Execute requests the agent's next reply, or attaches to the run of an earlier
// attempt.
func (e *Executor) Execute(ctx context.Context, req executors.Request) (executors.Result, error) {
	if ctx.Err() != nil {
		return executors.Result{}, modelcall.Stopped(ctx, e.failure.Op)
	}
	ctx, watch := e.cfg.timers().Watch(ctx, e.cfg.Stream)
	defer watch.Stop()
	c := &call{
		Executor: e, req: req, watch: watch,
		answer: &wire.Answer{MaxReplyBytes: e.cfg.MaxReplyBytes, Provider: e.cfg.Provider, Model: e.cfg.Model, OnDelta: req.OnDelta},
	}
	c.answer.DropThoughts = e.dropsThoughts()
	c.answer.OnAttach = c.attach
	if err := c.run(ctx); err != nil {
		return executors.Result{}, c.failed(ctx, err)
	}
	res, err := c.answer.Result()
	if err != nil {
		return executors.Result{}, c.failed(ctx, err)
	}
	return res, nil
}

func (e *Executor) dropsThoughts() bool {
	return e.cfg.Thoughts == executors.DropThoughts || e.cfg.Thoughts == "" && e.mapping.mapsResponse()
}

// remedies name the settings to check.
var remedies = map[conversation.Kind]string{
	conversation.Unauthorized:   "check bearer_token, hmac and headers: the agent turns them down",
	conversation.QuotaExhausted: "add credit or raise the limit where the agent gets its answers",
	conversation.ContextTooLong: "have the agent shorten what it sends its model, or send: new",
	conversation.Invalid:        "check url, request and response, and the agent's log",
}
