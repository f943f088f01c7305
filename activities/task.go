package activities

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"go.temporal.io/sdk/activity"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

// ReportInput acknowledges a task.
type ReportInput struct {
	Ref    conversation.Ref `json:"ref"`
	Report platforms.Report `json:"report"`
	// Tried is what a handed-over attempt had done.
	Tried *Mark `json:"tried,omitempty"`
	// Run is the run id that the workflow's state was built on: see [checkRun].
	Run string `json:"run,omitempty"`
}

// ReportResult means that the platform has the report, unless it was handed over.
type ReportResult struct {
	HandedOver bool  `json:"handed_over,omitempty"`
	Tried      *Mark `json:"tried,omitempty"`
	// Failed, with HandedOver, is how many attempts at this activity had failed. The
	// hand-over itself is none.
	Failed int `json:"failed,omitempty"`
}

// claimant names a run of the workflow to a platform. Empty: the one that asks.
func claimant(ctx context.Context, run string) string {
	execution := activity.GetInfo(ctx).WorkflowExecution
	sum := sha256.Sum256([]byte(execution.ID + "\x00" + cmp.Or(run, execution.RunID)))
	return "parley-" + hex.EncodeToString(sum[:8])
}

// Report acknowledges a task on its platform. Before that, Temporal has a mark that
// records it. The platform reads the task first if an attempt finds one.
func (c *Conversation) Report(ctx context.Context, in ReportInput) (ReportResult, error) {
	tried := sent(earlier(ctx, in.Tried))
	a := c.begin(ctx, "report", in.Ref, markOrNil(tried))
	defer a.end()
	mark, err := a.acknowledge(a.work, in, tried)
	switch {
	case err != nil && a.handsOver():
		return ReportResult{HandedOver: true, Tried: mark, Failed: failedAttempts(ctx)}, nil
	case err != nil:
		return ReportResult{}, a.fail(patient(err), ErrorDetails{Mark: mark})
	}
	return ReportResult{}, nil
}

// patient makes an acknowledgement be retried where a conversation would park: a wrong
// key, an empty account, a long delay.
func patient(err error) error {
	e := asError(err)
	if e == nil {
		return err
	}
	again := *e
	switch again.Kind {
	case conversation.Unauthorized, conversation.QuotaExhausted:
		again.Kind = conversation.Unavailable
	}
	again.RetryAfter = min(again.RetryAfter, LongestRetryDelay)
	return &again
}

func (a *attempt) acknowledge(ctx context.Context, in ReportInput, tried *Mark) (*Mark, error) {
	if err := checkRun(ctx, in.Run); err != nil {
		return tried, err
	}
	p, err := a.platform(in.Ref)
	if err != nil {
		return tried, err
	}
	tasks, err := p.tasks(in.Ref)
	if err != nil {
		return tried, err
	}
	mark := Mark{Time: a.clock.now(), Sends: 1}
	if tried != nil {
		mark.Sends += tried.Sends
	}
	if err := a.record(ctx, mark, fmt.Sprintf("acknowledge %s", in.Ref)); err != nil {
		return &mark, err
	}
	if err := a.act(ctx, "report"); err != nil {
		return &mark, err
	}
	report := in.Report
	report.Tried = tried != nil
	return &mark, tasks.Report(ctx, in.Ref, report)
}

// What workflows see of a platform's words.
type (
	Receipt    = platforms.Receipt
	TaskReport = platforms.Report
)

// Where a conversation stands on its platform, for workflows.
const (
	StateWaiting = platforms.StateWaiting
	StateOpen    = platforms.StateOpen
	StateEnded   = platforms.StateEnded
	StateUnknown = platforms.StateUnknown
)
