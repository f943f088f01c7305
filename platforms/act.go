package platforms

import (
	"context"

	"github.com/parley-run/parley/internal/lease"
)

// MayAct returns nil if the attempt that ctx belongs to may still begin an effect on the
// platform. A platform calls it right before it writes: between the beginning of an
// attempt and that moment a process can be frozen or cut off, and Temporal then starts
// another attempt. The platform returns the error as the cause of its own, not
// Ambiguous, of kind Unavailable. A ctx that belongs to no attempt may act.
func MayAct(ctx context.Context) error { return lease.Check(ctx) }
