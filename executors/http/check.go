package http

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/wire"
)

// checkTimeout bounds a check.
const checkTimeout = 3 * time.Second

// Check finds out without asking the agent whether it could be asked: its health
// path answers with success, or where none is configured, its server accepts a
// connection.
func (e *Executor) Check(ctx context.Context) error {
	cause := fmt.Errorf("no answer within %v", checkTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, checkTimeout, cause)
	defer cancel()
	c := &call{Executor: e, answer: &wire.Answer{}}
	var err error
	if e.health != nil {
		err = c.healthy(ctx)
	} else {
		err = c.connects(ctx)
	}
	if err == nil {
		return nil
	}
	if errors.Is(context.Cause(ctx), cause) {
		return &conversation.Error{Kind: conversation.Unavailable, Op: "http: check the agent at " + e.url.Host, Err: cause}
	}
	err = c.failed(ctx, err)
	var ce *conversation.Error
	if errors.As(err, &ce) {
		ce.Op, ce.Usage = "http: check the agent at "+e.url.Host, conversation.Usage{}
		if ce.Kind == conversation.Invalid && e.health != nil {
			ce.Remedy = "check health: it must answer GET with a status of 200 to 299"
		}
	}
	return err
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
