// Package schedules runs agents at set times with Temporal's own schedules, without a
// platform. Temporal starts each run by itself: a conversation of one turn, with the
// same task as a platform gives.
package schedules

import (
	"fmt"

	"github.com/parley-run/parley/internal/operate"
)

// Platform stands in place of a platform's name in the runs of schedules.
const Platform = "schedule"

// malformed is a fault in the operator's command.
func malformed(format string, args ...any) error {
	return &operate.Fault{Kind: operate.Malformed, Text: fmt.Sprintf(format, args...)}
}
