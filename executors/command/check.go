package command

import (
	"context"
	"fmt"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/program"
)

// checkTimeout bounds a check.
const checkTimeout = 3 * time.Second

// Check tests that the program exists and can be executed. With a handshake, it
// waits for a program that is ready, and starts one if none runs; the first request
// uses it.
func (e *Executor) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, checkTimeout, errNotReady)
	defer cancel()
	_, err := program.Find(e.cfg.Command[0], e.cfg.Dir)
	if err == nil && e.cfg.Handshake {
		var p *process
		if p, err = e.pool.warm(); err == nil {
			err = p.awaitReady(ctx)
		}
	}
	if err == nil {
		return nil
	}
	out := e.failed(ctx, err)
	if context.Cause(ctx) == errNotReady { //nolint:errorlint // not a wrapped one
		out = &conversation.Error{Kind: conversation.Unavailable, Err: errNotReady}
	}
	out.Op = fmt.Sprintf("command: check %q", e.name)
	return out
}

var errNotReady = fmt.Errorf("the program is not ready after %v, and still starting", checkTimeout)
