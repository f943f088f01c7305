package activities

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

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

// ReportResult says that the platform knows.
type ReportResult struct {
	HandedOver bool  `json:"handed_over,omitempty"`
	Tried      *Mark `json:"tried,omitempty"`
	// Tries, with HandedOver, is how many attempts at this activity had failed. The
	// hand-over itself is none.
	Tries int `json:"tries,omitempty"`
}

// take claims a task. The platform finds out whether an earlier attempt of ours
// has it.
func (c *Conversation) take(ctx context.Context, tasks platforms.Tasks, in ClaimInput, tried *Mark, live *liveness) (ClaimResult, error) {
	if tried == nil {
		if err := live.record(ctx, Mark{Time: time.Now()}); err != nil {
			return ClaimResult{}, fmt.Errorf("record the claim before making it: %w", err)
		}
	}
	receipt, err := tasks.Take(ctx, in.Ref, platforms.Claim{Worker: claimant(ctx), Tried: tried != nil, Adopt: in.Adopt})
	switch {
	case conversation.IsKind(err, conversation.Claimed):
		return ClaimResult{Detail: err.Error()}, nil
	case err != nil:
		return ClaimResult{}, err
	}
	return ClaimResult{Claimed: true, Receipt: &receipt}, nil
}

// afterTries says of a claim that failed what an earlier attempt may have done.
func afterTries(err error, tried *Mark) error {
	e := asError(err)
	if e == nil || tried == nil {
		return err
	}
	again := *e
	again.MayHaveLanded = true
	return &again
}

// HeldInput asks whether a claim that may have landed is ours.
type HeldInput struct {
	Ref conversation.Ref `json:"ref"`
	// Adopt is as in the claim.
	Adopt bool `json:"adopt,omitempty"`
	// Tried is what is known of the claim's request.
	Tried *Mark `json:"tried,omitempty"`
	// Run is the run that made the claim: a workflow that was reset asks about the claim
	// of the run that it was reset from. Empty: the run that asks.
	Run string `json:"run,omitempty"`
}

// HeldResult says whether the claim belongs to this run.
type HeldResult struct {
	// Ours means that the conversation or the task is claimed for this run, and has to
	// be ended or acknowledged.
	Ours bool `json:"ours,omitempty"`
	// Receipt is the claim's receipt. Nil: it is not ours, or it is a conversation.
	Receipt    *platforms.Receipt `json:"receipt,omitempty"`
	HandedOver bool               `json:"handed_over,omitempty"`
	Tried      *Mark              `json:"tried,omitempty"`
	// Tries, with HandedOver, is how many attempts at this activity had failed. The
	// hand-over itself is none.
	Tries int `json:"tries,omitempty"`
	// RunID is the run that has asked.
	RunID string `json:"run_id,omitempty"`
}

// Held looks, for a run that is not to go on, whether a claim that nobody saw the
// end of is ours. Nothing else frees the task then. A platform of conversations
// frees them by itself.
func (c *Conversation) Held(ctx context.Context, in HeldInput) (HeldResult, error) {
	live := keepAlive(ctx, c.heartbeats, nil)
	defer live.stop()
	out, err := c.held(ctx, in)
	if err != nil {
		return HeldResult{}, c.failed(ctx, "held", patient(err), conversation.Usage{})
	}
	return out, nil
}

func (c *Conversation) held(ctx context.Context, in HeldInput) (HeldResult, error) {
	inst, err := c.instance(in.Ref)
	if err != nil {
		return HeldResult{}, err
	}
	tasks, ok := inst.Platform.(platforms.Tasks)
	if !ok {
		return HeldResult{}, nil
	}
	receipt, err := tasks.Held(ctx, in.Ref, platforms.Claim{Worker: claimant(ctx), Tried: true, Adopt: in.Adopt})
	switch {
	case conversation.IsKind(err, conversation.Claimed):
		return HeldResult{}, nil
	case err != nil:
		return HeldResult{}, err
	}
	return HeldResult{Receipt: &receipt}, nil
}

// claimant names this run of the workflow to a platform.
func claimant(ctx context.Context) string {
	execution := activity.GetInfo(ctx).WorkflowExecution
	sum := sha256.Sum256([]byte(execution.ID + "\x00" + execution.RunID))
	return "parley-" + hex.EncodeToString(sum[:8])
}

func (c *Conversation) tasks(ref conversation.Ref) (platforms.Tasks, error) {
	inst, err := c.instance(ref)
	if err != nil {
		return nil, err
	}
	tasks, ok := inst.Platform.(platforms.Tasks)
	if !ok {
		return nil, &conversation.Error{
			Kind: conversation.Invalid, Op: fmt.Sprintf("platform %q", ref.Platform),
			Err: fmt.Errorf("it has conversations, not tasks"),
		}
	}
	return tasks, nil
}

// Report acknowledges a task on its platform. Before that, the server has a mark
// that says so: an attempt that finds one looks first.
func (c *Conversation) Report(ctx context.Context, in ReportInput) (ReportResult, error) {
	tried := earlier(ctx, in.Tried)
	live := keepAlive(ctx, c.heartbeats, markOrNil(tried))
	defer live.stop()
	work, stop := withDrain(ctx, c.drain)
	defer stop()
	err := c.acknowledge(work, in, tried, live)
	if err != nil && handedOver(work) {
		return ReportResult{HandedOver: true, Tried: currentMark(live), Tries: failedTries(ctx)}, nil
	}
	if err != nil {
		return ReportResult{}, c.failed(ctx, "report", patient(err), conversation.Usage{})
	}
	return ReportResult{}, nil
}

// patient has an acknowledgement be tried again that waits for somebody to mend a
// key or an account, or for longer than a conversation would.
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

func (c *Conversation) acknowledge(ctx context.Context, in ReportInput, tried *Mark, live *liveness) error {
	tasks, err := c.tasks(in.Ref)
	if err != nil {
		return err
	}
	if tried == nil {
		if err := live.record(ctx, Mark{Time: time.Now()}); err != nil {
			return fmt.Errorf("record the acknowledgement before making it: %w", err)
		}
	}
	report := in.Report
	report.Tried = tried != nil
	return tasks.Report(ctx, in.Ref, report)
}

// What workflows see of a platform's words for tasks.
type (
	Receipt    = platforms.Receipt
	TaskReport = platforms.Report
)
