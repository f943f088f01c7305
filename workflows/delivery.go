package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/conversation"
)

// callbacksFailed counts callbacks that have failed for good.
const callbacksFailed = "parley_callbacks_failed"

// callbackFailed logs and counts a callback that has failed for good. It is called
// once for each.
func callbackFailed(ctx workflow.Context, address string, d conversation.Delivery) {
	about := []any{"url", conversation.RedactURL(address), "attempts", d.Attempts, "reason", d.Error}
	if d.Code != 0 {
		about = append(about, "status", d.Code)
	}
	workflow.GetLogger(ctx).Warn("Callback failed", about...)
	workflow.GetMetricsHandler(ctx).Counter(callbacksFailed).Inc(1)
}
