package http

import (
	"context"
	"net"
	"net/http"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/wire"
)

// Check tests without calling the agent that its health path answers with 2xx or,
// if none is configured, that its server accepts a connection.
func (e *Executor) Check(ctx context.Context) error {
	c := &call{Executor: e, answer: &wire.Answer{}}
	check := c.connects
	if e.health != nil {
		check = c.healthy
	}
	return modelcall.Check(ctx, "http: check the agent at "+e.url.Host, check, func(ctx context.Context, err error) *conversation.Error {
		out := c.failed(ctx, err)
		if (out.Kind == conversation.Invalid || modelcall.ForeignStatus(err) != 0) && e.health != nil {
			out.Remedy = "check health: it must answer GET with a status of 200 to 299"
		}
		return out
	})
}

func (c *call) healthy(ctx context.Context) error {
	res, err := c.send(ctx, http.MethodGet, c.health, nil)
	if err != nil {
		return err
	}
	if !modelcall.Succeeded(res) {
		return c.refusal(res)
	}
	return res.Body.Close()
}

func (c *call) connects(ctx context.Context) error {
	port := c.url.Port()
	if port == "" {
		port = c.url.Scheme // "http" and "https" are names of ports
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(c.url.Hostname(), port))
	if err != nil {
		return err
	}
	return conn.Close()
}
