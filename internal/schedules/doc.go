// Package schedules runs agents at set times with Temporal's own schedules, without a
// platform. Temporal starts each run by itself: a conversation of one turn, with the
// same task as a platform gives.
package schedules

import (
	"fmt"

	"github.com/parley-run/parley/internal/records"
)

// Platform stands in place of a platform's name in the runs of schedules.
const Platform = "schedule"

// malformed is a fault in the operator's command.
func malformed(format string, args ...any) error {
	return &records.Fault{Kind: records.Malformed, Text: fmt.Sprintf(format, args...)}
}
