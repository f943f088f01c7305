// Package schedules runs agents at set times by Temporal's own schedules: for
// people who have no platform that schedules. Each run is a conversation of one
// turn, the same task as a platform would give, started by Temporal without
// anybody of ours being there.
package schedules

import (
	"fmt"

	"github.com/parley-run/parley/internal/operate"
)

// Platform is what the runs of schedules have instead of a platform's name.
const Platform = "schedule"

// malformed is a fault of whoever gave the command.
func malformed(format string, args ...any) error {
	return &operate.Fault{Kind: operate.Malformed, Text: fmt.Sprintf(format, args...)}
}
