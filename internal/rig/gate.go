package rig

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
)

// A Gate is an executor that holds each reply until a test releases it, so that the test
// can act meanwhile.
type Gate struct {
	asked chan Ask
}

// An Ask is one request that waits at a gate.
type Ask struct {
	executors.Request
	reply chan answer
	// gone is closed once the answer is no longer waited for.
	gone <-chan struct{}
}

type answer struct {
	result executors.Result
	err    error
}

// NewGate returns a closed gate.
func NewGate() *Gate {
	return &Gate{asked: make(chan Ask, 100)}
}

// Execute waits for Reply or Fail.
func (g *Gate) Execute(ctx context.Context, req executors.Request) (executors.Result, error) {
	ask := Ask{Request: req, reply: make(chan answer), gone: ctx.Done()}
	g.asked <- ask
	select {
	case a := <-ask.reply:
		return a.result, a.err
	case <-ctx.Done():
		return executors.Result{}, &conversation.Error{Kind: conversation.Unavailable, Op: "gate", Err: context.Cause(ctx)}
	}
}

// Asked waits for the next request.
func (g *Gate) Asked(t testing.TB) Ask {
	t.Helper()
	return g.AskedWithin(t, Patience)
}

// Waiting waits for the next request whose answer is still waited for.
func (g *Gate) Waiting(t testing.TB) Ask {
	t.Helper()
	for {
		ask := g.Asked(t)
		select {
		case <-ask.gone:
		default:
			return ask
		}
	}
}

// AskedWithin waits for the next request, but no longer than limit.
func (g *Gate) AskedWithin(t testing.TB, limit time.Duration) Ask {
	t.Helper()
	select {
	case req := <-g.asked:
		return req
	case <-time.After(limit):
		require.FailNow(t, "the executor was not asked")
		panic("unreachable")
	}
}

// Reply lets the request through with a text that names its turn.
func (a Ask) Reply(t testing.TB) {
	t.Helper()
	a.answer(t, answer{result: executors.Result{
		Message: conversation.Text(conversation.RoleAssistant, fmt.Sprintf("gate reply %d", a.Turn)),
		Usage:   conversation.Usage{Calls: 1},
	}})
}

// Fail answers the request with an error.
func (a Ask) Fail(t testing.TB, err error) {
	t.Helper()
	a.answer(t, answer{err: err})
}

func (a Ask) answer(t testing.TB, with answer) {
	t.Helper()
	select {
	case a.reply <- with:
	case <-time.After(Patience):
		require.FailNow(t, "no caller waits for an answer")
	}
}

// Answer lets the request through with a result.
func (a Ask) Answer(t testing.TB, result executors.Result) {
	t.Helper()
	a.answer(t, answer{result: result})
}
