package iiifunction

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tidwall/gjson"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/iii"
)

// guard returns an error if the agent must not get the text.
func (e *Executor) guard(ctx context.Context, worker *iii.Worker, text string) error {
	g := e.cfg.Guard
	if g == nil || text == "" {
		return nil
	}
	risk, err := e.scan(ctx, worker, text)
	switch {
	case err == nil && risk <= *g.MaxRisk:
		return nil
	case err == nil:
		return &conversation.Error{
			Kind: conversation.Refused, Op: e.op(g.Function), Answered: true,
			Err:    fmt.Errorf("the message did not reach the agent: its risk is %.2f, and at most %.2f may pass", risk, *g.MaxRisk),
			Remedy: "read the message; guard.max_risk says what may pass",
		}
	case ctx.Err() == nil && g.Fail == FailOpen:
		e.log.Warn("the guard fails: the agent gets a message without a scan", "function", g.Function, "error", err)
		return nil
	}
	return err
}

// scan returns the guard's risk score of the text. Execute may return its errors as they
// are: the agent has not been called.
func (e *Executor) scan(ctx context.Context, worker *iii.Worker, text string) (float64, error) {
	g := e.cfg.Guard
	options := []iii.CallOption{iii.Timeout(g.Timeout)}
	if e.cfg.Namespace != "" {
		options = append(options, iii.InNamespace(e.cfg.Namespace))
	}
	result, err := worker.Invoke(ctx, g.Function, map[string]string{"text": text}, options...)
	if err == nil {
		if risk, ok := score(result); ok {
			return risk, nil
		}
		err = errNoScore
	}
	out := e.failed(ctx, g.Function, err)
	out.Ambiguous, out.Usage = false, conversation.Usage{}
	switch {
	case errors.Is(err, errNoScore):
		out.Kind, out.Remedy = conversation.Invalid, "check guard.function: it must answer with riskScore, 0 to 1"
	case ctx.Err() == nil && errors.Is(err, iii.ErrTimeout):
		out.Remedy = "guard.timeout bounds it; guard.fail: open goes on without"
	case ctx.Err() == nil && iii.HasCode(err, iii.CodeFunctionNotFound):
		out.Remedy = "start the worker that serves it, or check guard.function; guard.fail: open goes on without"
	}
	return 0, out
}

var errNoScore = errors.New("the answer has no risk score")

func score(result json.RawMessage) (float64, bool) {
	if !gjson.ValidBytes(result) {
		return 0, false
	}
	found := gjson.GetBytes(result, "riskScore")
	return found.Num, found.Type == gjson.Number
}
