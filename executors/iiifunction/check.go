package iiifunction

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/iii"
)

const (
	// checkTimeout bounds a check, and connectFor its part that waits for a
	// connection, so that there is time left to say why there is none.
	checkTimeout = 3 * time.Second
	connectFor   = time.Second
)

// Check finds out without calling the function whether it could be called: the
// engine lists it, and the guard too where nothing passes without.
func (e *Executor) Check(ctx context.Context) error {
	cause := fmt.Errorf("no answer within %v", checkTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, checkTimeout, cause)
	defer cancel()
	op := "iii: check the engine at " + e.host
	worker, err := e.link.connect(ctx, connectFor)
	var result []byte
	if err == nil {
		result, err = worker.Invoke(ctx, "engine::functions::list", map[string]bool{"include_internal": true})
	}
	switch {
	case err == nil:
		return e.missing(op, result)
	case iii.HasCode(err, iii.CodeForbidden):
		return nil // it may call what it may not list
	case errors.Is(context.Cause(ctx), cause):
		return &conversation.Error{Kind: conversation.Unavailable, Op: op, Err: cause, Remedy: "check url, and that the engine is running"}
	}
	out := e.failed(ctx, e.cfg.Function, err)
	out.Op, out.Ambiguous, out.Answered, out.Usage = op, false, false, conversation.Usage{}
	return out
}

// missing names the functions that the engine does not list. Engines before 0.23
// know no namespaces.
func (e *Executor) missing(op string, result []byte) error {
	list := gjson.GetBytes(result, "functions")
	if !list.IsArray() {
		return &conversation.Error{
			Kind: conversation.Invalid, Op: op, Err: errors.New("its list of functions is none"), Remedy: "check url: it must lead to an iii engine",
		}
	}
	has := map[string]bool{}
	for _, f := range list.Array() {
		if namespace := f.Get("namespace").Str; namespace == "" || namespace == e.namespace() {
			has[f.Get("function_id").Str] = true
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

func (e *Executor) namespace() string {
	if e.cfg.Namespace == "" {
		return "default"
	}
	return e.cfg.Namespace
}
