package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/conversation/pressure"
	"github.com/parley-run/parley/internal/printable"
)

// observe takes in what a worker has seen of the platform. A lower limit keeps new
// conversations from beginning; those that are open go on.
func (c *capacity) observe(ctx workflow.Context, r pressure.Report) pressure.Change {
	if c.limit <= 0 {
		return pressure.Unchanged
	}
	r.Reason = printable.Clip(r.Reason, maxReason)
	before := c.pressure.Of(c.limit)
	change := c.pressure.Observe(workflow.Now(ctx).UTC(), pressure.Use{
		Max: c.limit, Open: len(c.open), Full: len(c.queued) > 0 || !c.free(),
	}, r)
	about := []any{
		"platform", c.platform, "limit", c.pressure.Of(c.limit), "before", before, "max_open", c.limit, "open", len(c.open),
	}
	log := workflow.GetLogger(ctx)
	switch change {
	case pressure.Lowered:
		log.Warn("The platform has too much to do; fewer conversations may be open", append(about, "reason", c.pressure.Reduction.Reason)...)
	case pressure.Raised:
		log.Info("The platform answers well; more conversations may be open", about...)
	case pressure.Restored:
		log.Info("As many conversations may be open as configured again", about...)
	}
	return change
}

// reduced is a line about a reduced limit, for operators.
func (c *capacity) reduced() string {
	r := c.pressure.Reduction
	if r == nil {
		return ""
	}
	return fmt.Sprintf("\nreduced to **%d** since %s, because the platform has too much to do: %s\n",
		c.pressure.Of(c.limit), r.Since.Format("2006-01-02 15:04:05 UTC"), r.Reason)
}

func (c *capacity) carriedPressure() *pressure.Limit {
	if c.pressure.Reduction == nil {
		return nil // what a window has counted so far is no loss
	}
	return &c.pressure
}
