package executors

import (
	"context"

	"github.com/parley-run/parley/internal/lease"
)

// MayAct returns nil if the attempt that ctx belongs to may still begin an effect. An
// executor calls it right before a request that costs money or changes something:
// between the beginning of an attempt and that moment a process can be frozen or cut
// off, and Temporal then starts another attempt. The executor returns the error as the
// cause of its own, of kind Unavailable. A ctx that belongs to no attempt may act. The
// executors of this module call it themselves: one that only wraps them need not.
func MayAct(ctx context.Context) error { return lease.Check(ctx) }
