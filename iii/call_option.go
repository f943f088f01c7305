package iii

import (
	"context"
	"time"
)

// A CallOption changes one call of [Worker.Invoke], [Worker.Send] and the methods built
// on them.
type CallOption func(*callOptions)

type callOptions struct {
	timeout   time.Duration
	metadata  any
	namespace string
	permit    func(context.Context) error
}

// Timeout bounds the call in place of [Options.CallTimeout], including the wait for a
// connection. Zero or less: only the context bounds it.
func Timeout(d time.Duration) CallOption { return func(o *callOptions) { o.timeout = d } }

// Metadata travels beside the data, as JSON; engines from 0.21.3 pass it to the handler,
// older ones drop it.
func Metadata(v any) CallOption { return func(o *callOptions) { o.metadata = v } }

// InNamespace calls the function of this namespace, on engines from 0.23. Without it the
// call goes to the namespace "default", whatever the worker's own namespace.
func InNamespace(namespace string) CallOption {
	return func(o *callOptions) { o.namespace = namespace }
}

// Permit runs a last check before the call is written to the connection. If permit
// returns an error, nothing is written, and the call fails with that error and
// [ErrNotSent]. If more than 50 ms pass between the check and the write, permit is
// called again. Other calls proceed meanwhile. permit gets the call's context.
func Permit(permit func(context.Context) error) CallOption {
	return func(o *callOptions) { o.permit = permit }
}
