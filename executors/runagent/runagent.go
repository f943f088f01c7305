// Package runagent is an executor that runs agents deployed on RunAgent: on
// RunAgent Serverless, the cloud, or behind "runagent serve" on a machine of your
// own. A task names the agent and its entrypoint; a conversation without a task
// runs the configured one, turn by turn.
//
// An entrypoint whose tag ends in "_stream" is called over a WebSocket, any other
// by one POST. RunAgent has neither idempotency keys nor a way to read the answer
// of a run again: a lost answer cannot be distinguished from a lost request. Errors
// state whether the agent may have run; set at_most_once for agents that must not
// run twice.
package runagent

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/httpclient"
)

// An Executor runs agents on RunAgent. Create it with [New].
type Executor struct {
	cfg    Config // without its key
	cloud  base
	client *http.Client
	// ranged connects only to addresses in the ranges of agent_hosts. Nil: there
	// are none.
	ranged *http.Client
	hosts  agentHosts
	// key returns the API key. No field holds it, because fmt would print it.
	key         func() string
	clean       func(string) string
	entrypoints *entrypoints
}

var (
	_ executors.Executor = (*Executor)(nil)
	_ executors.Checker  = (*Executor)(nil)
	_ executors.Once     = (*Executor)(nil)
	_ executors.Toolless = (*Executor)(nil)
)

// New validates the configuration and reports all faults at once.
func New(cfg Config) (*Executor, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("runagent: %w", err)
	}
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("runagent: %w", err)
	}
	cloud, _ := parseBase(cfg.URL) // validated
	key := cfg.APIKey.Reveal()
	hosts, _ := parseAgentHosts(cfg.AgentHosts) // validated
	network := httpclient.Config{Client: cfg.HTTPClient, IdleTimeout: idleTimeout}
	e := &Executor{
		cloud: cloud, client: httpclient.New(network), ranged: inRanges(network, hosts.prefixes), hosts: hosts,
		key: func() string { return key }, clean: cleaner(cfg.APIKey),
		entrypoints: newEntrypoints(),
	}
	cfg.APIKey = ""
	e.cfg = cfg
	return e, nil
}

// idleTimeout is below the five seconds after which RunAgent's servers close an
// idle connection. A request on a closing connection is ambiguous.
const idleTimeout = 4 * time.Second

// inRanges returns a client that connects only to addresses in these ranges. Nil:
// there are none, or the caller's transport cannot be guarded.
func inRanges(network httpclient.Config, ranges []netip.Prefix) *http.Client {
	if c := network.Client; c != nil && c.Transport != nil {
		if _, ok := c.Transport.(*http.Transport); !ok {
			return nil
		}
	}
	if len(ranges) == 0 {
		return nil
	}
	network.Guard = &httpclient.Guard{OnlyAllowed: true, Allow: ranges}
	return httpclient.New(network)
}

// CloseIdleConnections closes connections that no request is using.
func (e *Executor) CloseIdleConnections() {
	e.client.CloseIdleConnections()
	if e.ranged != nil {
		e.ranged.CloseIdleConnections()
	}
}

// String names where the agents run.
func (e *Executor) String() string {
	if e.cfg.Mode == ModeLocal {
		return "local RunAgent agents"
	}
	return "RunAgent agents at " + e.cloud.host
}

// AtMostOnce reports whether an agent must not run twice for one request.
func (e *Executor) AtMostOnce() bool { return e.cfg.AtMostOnce }

// Toolless reports that the agent has tools of its own.
func (*Executor) Toolless() bool { return true }

// Execute runs the agent that the task names, or else the configured one, once.
func (e *Executor) Execute(ctx context.Context, req executors.Request) (executors.Result, error) {
	if ctx.Err() != nil {
		return executors.Result{}, &conversation.Error{Kind: conversation.Unavailable, Op: "runagent: run an agent", Err: ctx.Err()}
	}
	run, err := e.newRun(req)
	if err != nil {
		return executors.Result{}, err
	}
	ctx, watch := run.timers.Watch(ctx, run.streams())
	defer watch.Stop()
	c := &call{Executor: e, run: run, client: e.client, watch: watch, onDelta: req.OnDelta}
	if err := c.find(ctx); err != nil {
		return executors.Result{}, c.failed(ctx, err)
	}
	if err := c.known(ctx); err != nil {
		return executors.Result{}, c.failed(ctx, err)
	}
	value, err := c.ask(ctx)
	if err != nil {
		return executors.Result{}, c.failed(ctx, err)
	}
	return executors.Result{
		Message:      value,
		Usage:        conversation.Usage{Calls: 1},
		Provider:     Provider,
		Model:        run.agent,
		FinishReason: executors.FinishStop,
	}, nil
}
