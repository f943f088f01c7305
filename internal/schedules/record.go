package schedules

import (
	"context"

	"github.com/parley-run/parley/internal/operate"
)

// record records what the operator does to a schedule. Temporal keeps no history of that
// which would say who, nor any of a schedule that was deleted.
func (k *Keeper) record(ctx context.Context, action operate.Action, name, detail string) error {
	if k.By == "" {
		return nil
	}
	return k.Operator.Record(ctx, operate.Act{Action: action, By: k.By, Schedule: name, Detail: detail})
}
