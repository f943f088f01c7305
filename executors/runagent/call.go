package runagent

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/wire"
	"github.com/parley-run/parley/internal/foreign"
)

// A call is one execution.
type call struct {
	*Executor
	run
	watch   *modelcall.Watch
	onDelta func(string)
	client  *http.Client

	base base
	// asked means that a connection was established, over which the request may
	// have been sent.
	connected atomic.Bool
}

func (c *call) op() string {
	return fmt.Sprintf("runagent: run %q of agent %q at %s", c.entrypoint, c.agent, cmp.Or(c.base.host, "an address to be found"))
}

// find determines the agent's server: the cloud; for a local agent the one in the
// task, else in the configuration, else in RunAgent's registry.
func (c *call) find(ctx context.Context) error {
	if !c.local {
		c.base = c.cloud
		return c.missingKey(c.op())
	}
	if c.run.host != "" || c.run.port != 0 || c.cfg.Host != "" || c.cfg.Port != 0 {
		host, port := cmp.Or(c.run.host, c.cfg.Host, DefaultHost), cmp.Or(c.run.port, c.cfg.Port, DefaultPort)
		if c.run.host != "" || c.run.port != 0 {
			client, err := c.admit(ctx, host, port)
			if err != nil {
				return err
			}
			c.client = client
		}
		c.base = localBase(host, port)
		return nil
	}
	at, err := c.lookUp(ctx, c.agent)
	if err != nil {
		return err
	}
	c.base = localBase(cmp.Or(at.Host, DefaultHost), at.Port)
	return nil
}

func (e *Executor) missingKey(op string) error {
	if e.key() != "" {
		return nil
	}
	return &conversation.Error{
		Kind: conversation.Unauthorized, Op: op, Err: errors.New("there is no API key"),
		Remedy: "set RUNAGENT_API_KEY and write api_key: ${RUNAGENT_API_KEY}; for agents on this machine write mode: local",
	}
}

// ask runs the agent and reads its answer.
func (c *call) ask(ctx context.Context) (conversation.Message, error) {
	if c.streams() {
		return c.stream(ctx)
	}
	res, err := c.post(ctx)
	if err != nil {
		return conversation.Message{}, err
	}
	value, err := c.read(res)
	if err != nil {
		return conversation.Message{}, err
	}
	return c.reply(value)
}

// traced records that a connection is established. An earlier failure did not reach
// the agent.
func (c *call) traced(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { c.connected.Store(true) },
	})
}

// post sends the request. It sets no Idempotency-Key: RunAgent ignores it, and Go's
// client would resend the request because of it.
func (c *call) post(ctx context.Context) (*http.Response, error) {
	req, err := http.NewRequestWithContext(c.traced(ctx), http.MethodPost, c.base.route(c.agent, "run"), bytes.NewReader(c.body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	c.sign(req)
	return c.client.Do(req)
}

func (c *call) sign(req *http.Request) {
	req.Header.Set("Accept", "application/json")
	if !c.local {
		req.Header.Set("Authorization", "Bearer "+c.key())
	}
}

// read reads the answer to a run.
func (c *call) read(res *http.Response) (value, error) {
	if !modelcall.Succeeded(res) {
		return value{}, c.refusal(res)
	}
	defer func() { _ = res.Body.Close() }()
	// The answer is JSON within JSON: one byte may take six, a quotation mark four.
	data, err := modelcall.ReadAll(res.Body, wire.MaxFrame(c.cfg.MaxReplyBytes))
	if err != nil {
		return value{}, err
	}
	if foreign.IsPage(res.Header, data) { // it would count as the agent's text
		return value{}, modelcall.ErrWebPage
	}
	return readAnswer(data)
}
