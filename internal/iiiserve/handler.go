package iiiserve

import (
	"context"
	"errors"

	"github.com/parley-run/parley/iii"
)

// serveFunc serves a function over Go types.
type serveFunc[Request, Response any] func(context.Context, iii.Invocation, Request) (Response, error)

// handler returns a handler with our error codes. It refuses calls that the admission does
// not admit.
func handler[Request, Response any](s *Server, admission admission, serve serveFunc[Request, Response]) iii.Handler {
	return overHTTP(func(ctx context.Context, call iii.Invocation) (any, error) {
		defer s.begin()()
		release, err := admission.reserve()
		if err != nil {
			return nil, err
		}
		defer release()
		return answer(s, ctx, call, serve)
	})
}

// answer serves one call within the reply timeout, and fails it in an outage of Temporal.
func answer[Request, Response any](s *Server, ctx context.Context, call iii.Invocation, serve serveFunc[Request, Response]) (any, error) {
	var req Request
	if err := decode(call.Data, &req); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.ReplyTimeout)
	defer cancel()
	ctx, end := s.outage.watch(ctx)
	defer end()
	out, err := serve(ctx, call, req)
	var given *iii.Error
	switch {
	case err == nil:
		return out, nil
	case errors.As(context.Cause(ctx), &given):
		return nil, given
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		// Temporal's client returns errors of its own for this.
		return nil, coded(context.DeadlineExceeded)
	}
	return nil, coded(err)
}

// begin counts a call until end is called.
func (s *Server) begin() (end func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.running--; s.running == 0 && s.idle != nil {
			close(s.idle)
			s.idle = nil
		}
	}
}
