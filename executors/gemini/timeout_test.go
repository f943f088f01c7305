package gemini_test

import (
	"testing"
	"time"

	"github.com/parley-run/parley/executors/internal/modeltest"
)

// Counts of tokens are no token.
func TestTimers(t *testing.T) {
	t.Parallel()
	counts := make([]modeltest.Step, 100)
	for i := range counts {
		counts[i] = modeltest.After(20*time.Second, event(`{"usageMetadata":{"promptTokenCount":12}}`))
	}
	vendor.Timed(t, "OnlyCounts", counts, 90*time.Second, "first_token_timeout")
	vendor.Timed(t, "StaysOpen", []modeltest.Step{modeltest.After(time.Second, event(piece("Hello", "STOP")))}, 31*time.Second, "")
}
