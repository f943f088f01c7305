package endtoend_test

import (
	"context"
	"sync/atomic"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
)

// brokenKey lets the first turn through and refuses the others until replaced.
type brokenKey struct {
	inner    executors.Executor
	replaced atomic.Bool
}

func newBrokenKey(inner executors.Executor) *brokenKey { return &brokenKey{inner: inner} }

func (k *brokenKey) replace() { k.replaced.Store(true) }

func (k *brokenKey) Execute(ctx context.Context, req executors.Request) (executors.Result, error) {
	if req.Turn > 1 && !k.replaced.Load() {
		return executors.Result{}, fault(conversation.Unauthorized, "mend the key")
	}
	return k.inner.Execute(ctx, req)
}
