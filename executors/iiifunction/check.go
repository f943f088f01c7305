package iiifunction

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/iii"
)

const (
	// checkTimeout bounds a check, and connectFor its part that waits for a
	// connection, so that there is time left to say why there is none.
	checkTimeout = 3 * time.Second
	connectFor   = time.Second
)

// Check reports, without a call, whether the function can be called: the engine lists
// it, and the guard's function too where the guard must answer.
func (e *Executor) Check(ctx context.Context) error {
	cause := fmt.Errorf("no answer within %v", checkTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, checkTimeout, cause)
	defer cancel()
	op := "iii: check the engine at " + e.host
	worker, err := e.link.connect(ctx, connectFor)
	var listed []iii.ListedFunction
	if err == nil {
		listed, err = worker.Functions(ctx)
	}
	switch {
	case err == nil:
		return e.missing(op, listed)
	case errors.Is(err, iii.ErrUnsupported):
		return &conversation.Error{Kind: conversation.Invalid, Op: op, Err: err, Remedy: "check url: it must be the address of an iii engine"}
	case iii.HasCode(err, iii.CodeForbidden):
		return nil // access rules may permit the call and forbid the list
	case errors.Is(context.Cause(ctx), cause):
		return &conversation.Error{Kind: conversation.Unavailable, Op: op, Err: cause, Remedy: "check url, and that the engine is running"}
	}
	out := e.failed(ctx, e.cfg.Function, err)
	out.Op, out.Ambiguous, out.Answered, out.Usage = op, false, false, conversation.Usage{}
	return out
}

// missing names the functions that the engine does not list.
func (e *Executor) missing(op string, listed []iii.ListedFunction) error {
	has := map[string]bool{}
	for _, f := range listed {
		if f.In(e.cfg.Namespace) {
			has[f.ID] = true
		}
	}
	wanted := []string{e.cfg.Function}
	if g := e.cfg.Guard; g != nil && g.Fail == FailClosed {
		wanted = append(wanted, g.Function)
	}
	var missing []string
	for _, id := range wanted {
		if !has[id] {
			missing = append(missing, id)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return &conversation.Error{
		Kind: conversation.Unavailable, Op: op, Err: errors.New("no worker serves " + strings.Join(missing, " and ")),
		Remedy: "start the worker that does, or check function, guard and namespace",
	}
}
