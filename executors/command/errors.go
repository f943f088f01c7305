package command

import (
	"context"
	"errors"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/wire"
	"github.com/parley-run/parley/internal/program"
)

// failed turns any failure of a call into an error with a kind.
func (e *Executor) failed(ctx context.Context, err error) *conversation.Error {
	var (
		timeout  *modelcall.TimeoutError
		reported *wire.Error
	)
	switch {
	case errors.As(context.Cause(ctx), &timeout):
		return &conversation.Error{Kind: conversation.Unavailable, Op: e.failure.Op, Err: timeout}
	case ctx.Err() != nil:
		return e.stopped(ctx)
	case errors.As(err, &reported):
		return e.failure.Reported(reported, 0, 0)
	}
	var known *conversation.Error
	if errors.As(err, &known) { // the attempt lost the right to act: nothing was written
		return &conversation.Error{Kind: known.Kind, Op: e.failure.Op, Err: known, RetryAfter: known.RetryAfter}
	}
	out := e.failure.Broken(err)
	switch {
	case program.Remedy(err) != "":
		out.Kind, out.Remedy = conversation.Invalid, program.Remedy(err)
	case errors.Is(err, errRequest):
		out.Kind, out.Remedy = conversation.Invalid, "check what the platform sends: it is not JSON"
	case errors.Is(err, errNoID), errors.Is(err, errOtherID):
		out.Remedy = "have the program repeat the id of the request in every line, or set concurrency to 1"
	}
	return out
}

// stopped returns the error for a context that is done.
func (e *Executor) stopped(ctx context.Context) *conversation.Error {
	return &conversation.Error{Kind: conversation.Unavailable, Op: e.failure.Op, Err: ctx.Err()}
}
