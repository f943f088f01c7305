package runagent

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// checkTimeout bounds a check.
const checkTimeout = 3 * time.Second

// Check tests without running an agent. Serverless: the key is set, and RunAgent
// accepts it. Local: the configured agent answers or, if none is configured, any
// registered one.
func (e *Executor) Check(ctx context.Context) error {
	cause := fmt.Errorf("no answer within %v", checkTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, checkTimeout, cause)
	defer cancel()
	err := e.checkServerless
	if e.cfg.Mode == ModeLocal {
		err = e.checkLocal
	}
	out := err(ctx)
	if out != nil && errors.Is(context.Cause(ctx), cause) {
		return &conversation.Error{Kind: conversation.Unavailable, Op: "runagent: check " + e.String(), Err: cause}
	}
	return out
}

// checkServerless requests the configured agent's entrypoints, or else the owner of
// the key. It passes for a server without the latter route.
func (e *Executor) checkServerless(ctx context.Context) error {
	op := "runagent: check " + e.cloud.host
	if err := e.missingKey(op); err != nil {
		return err
	}
	at := e.cloud.url + "/users/profile"
	if e.cfg.AgentID != "" {
		at = e.cloud.route(e.cfg.AgentID, "architecture")
	}
	c := &call{Executor: e, client: e.client, base: e.cloud, run: run{agent: e.cfg.AgentID}}
	_, err := c.get(ctx, at)
	var failure *statusError
	status := modelcall.ForeignStatus(err)
	if errors.As(err, &failure) {
		status = failure.status
	}
	if e.cfg.AgentID == "" && (status == http.StatusNotFound || status == http.StatusMethodNotAllowed) {
		return nil
	}
	return c.checked(ctx, err, op)
}

// checkLocal requests the health of the server, or of the registered ones one after
// the other.
func (e *Executor) checkLocal(ctx context.Context) error {
	if e.cfg.Host != "" || e.cfg.Port != 0 {
		return e.healthy(ctx, localBase(cmp.Or(e.cfg.Host, DefaultHost), cmp.Or(e.cfg.Port, DefaultPort)), e.cfg.AgentID)
	}
	if e.cfg.AgentID != "" {
		at, err := e.lookUp(ctx, e.cfg.AgentID)
		if err != nil {
			return err
		}
		return e.healthy(ctx, localBase(cmp.Or(at.Host, DefaultHost), at.Port), at.ID)
	}
	agents, err := e.registered(ctx)
	if err != nil {
		return err
	}
	op := "runagent: check the agents in " + e.registryPath()
	if len(agents) == 0 {
		return &conversation.Error{Kind: conversation.Invalid, Op: op, Err: errors.New("there are none"), Remedy: remedyRegistry}
	}
	for _, a := range agents {
		if a.Port <= 0 || checkHost(a.Host) != nil {
			continue
		}
		if err = e.healthy(ctx, localBase(cmp.Or(a.Host, DefaultHost), a.Port), a.ID); err == nil {
			return nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return &conversation.Error{
		Kind: conversation.Unavailable, Op: op, Err: fmt.Errorf("none of the %d agents is being served", len(agents)),
		Remedy: "start one with runagent serve",
	}
}

// healthy reports whether a local server answers and serves the agent. An empty id
// means any agent.
func (e *Executor) healthy(ctx context.Context, at base, id string) error {
	op := "runagent: check the local server at " + at.host
	c := &call{Executor: e, client: e.client, base: at, run: run{agent: id, local: true}}
	body, err := c.get(ctx, at.url+"/health")
	if err != nil {
		return c.checked(ctx, err, op)
	}
	var health struct {
		AgentID string `json:"agent_id"`
	}
	if json.Unmarshal(body, &health) != nil {
		return &conversation.Error{
			Kind: conversation.Invalid, Op: op, Err: errors.New("this is no server of RunAgent"), Remedy: "check host and port",
		}
	}
	if id != "" && health.AgentID != "" && health.AgentID != id {
		return &conversation.Error{
			Kind: conversation.Invalid, Op: op,
			Err:    errors.New(e.clean(fmt.Sprintf("it serves agent %q, and not %q", health.AgentID, id))),
			Remedy: "check agent_id, host and port, or start that agent with runagent serve",
		}
	}
	return nil
}

// get reads a route that runs nothing.
func (c *call) get(ctx context.Context, at string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, err
	}
	c.sign(req)
	res, err := c.client.Do(req)
	if err != nil {
		return nil, err
	}
	if !modelcall.Succeeded(res) {
		return nil, c.refusal(res)
	}
	defer func() { _ = res.Body.Close() }()
	return io.ReadAll(io.LimitReader(res.Body, maxArchitecture))
}

func (c *call) checked(ctx context.Context, err error, op string) error {
	if err == nil {
		return nil
	}
	err = c.failed(ctx, err)
	var ce *conversation.Error
	if errors.As(err, &ce) {
		ce.Op, ce.Ambiguous, ce.Answered = op, false, false
	}
	return err
}
