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

// Check finds out whether the program is there and may be executed. Where there
// is a handshake, a program is started unless one runs, and has to be ready; it
// is kept for the first request.
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
	if context.Cause(ctx) == errNotReady { //nolint:errorlint // the very value
		out = &conversation.Error{Kind: conversation.Unavailable, Err: errNotReady}
	}
	out.Op = fmt.Sprintf("command: check %q", e.name)
	return out
}

var errNotReady = fmt.Errorf("the program is not ready after %v, and still starting", checkTimeout)
