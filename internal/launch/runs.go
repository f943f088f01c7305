package launch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/versions"
	"github.com/parley-run/parley/workflows"
)

// Runs is what activities see of the conversation workflows.
type Runs struct {
	Launcher
	// Workers knows which versions have workers. Nil: only a task that waits shows that a
	// conversation has none.
	Workers *versions.Cache
}

var (
	_ activities.Runs        = Runs{}
	_ activities.Transcripts = Runs{}
	_ activities.Reports     = Runs{}
)

// Failed implements activities.Reports.
func (r Runs) Failed(ctx context.Context, workflowID, runID string, report activities.AttemptReport) error {
	return r.Client.SignalWorkflow(ctx, workflowID, runID, workflows.SignalAttempt, report)
}

// Start implements activities.Runs.
func (r Runs) Start(ctx context.Context, req activities.StartRequest) (string, bool, error) {
	started, err := r.Conversation(ctx, Conversation{
		Input: workflows.ConversationInput{
			Ref: req.Ref, Policy: req.Policy, Side: workflows.ListedSide(req.Task), Adopt: req.Adopt, CountedIn: counted(req),
		},
		Persona: req.Persona,
		// A conversation whose claim was lost to a worker that then left it has a completed
		// workflow of ours.
		Again: req.Adopt,
		Once:  req.Task,
	})
	return workflows.ConversationID(req.Ref), started, err
}

func counted(req activities.StartRequest) *workflows.CountedIn {
	if req.Limit <= 0 {
		return nil
	}
	return &workflows.CountedIn{Limit: req.Limit, Reservation: req.Reservation, Holds: true}
}

// ListOpen implements activities.Runs. It asks the visibility store, which may be a
// second behind.
func (r Runs) ListOpen(ctx context.Context, platform string) ([]activities.OpenRun, error) {
	query := fmt.Sprintf("WorkflowType = '%s' AND ExecutionStatus = 'Running' AND %s = %s",
		workflows.ConversationName, workflows.KeyPlatform.GetName(), quote(platform))
	var open []activities.OpenRun
	var next []byte
	for {
		page, err := r.Client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			Query: query, PageSize: 500, NextPageToken: next,
		})
		if err != nil {
			return nil, err
		}
		for _, info := range page.Executions {
			run := activities.OpenRun{WorkflowID: info.Execution.WorkflowId}
			if payload, ok := info.GetSearchAttributes().GetIndexedFields()[workflows.KeySimulation.GetName()]; ok {
				// An unreadable value only blunts fairness.
				_ = defaultConverter.FromPayload(payload, &run.Simulation)
			}
			open = append(open, run)
		}
		if next = page.NextPageToken; len(next) == 0 {
			return open, nil
		}
	}
}

// WaitClosed implements activities.Runs with a long poll for the workflow's end, over
// all runs of its chain.
func (r Runs) WaitClosed(ctx context.Context, workflowID string) {
	for ctx.Err() == nil {
		err := r.Client.GetWorkflow(ctx, workflowID, "").Get(ctx, nil)
		var gone *serviceerror.NotFound
		if err == nil || errors.As(err, &gone) || isWorkflowError(err) {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second): // the server did not answer
		}
	}
}

// Messages implements activities.Transcripts by a query, which leaves no event.
func (r Runs) Messages(ctx context.Context, workflowID, runID string, upTo int) (int, []conversation.Message, error) {
	// A workflow without a worker would hold the query for long; the platform
	// knows the messages too.
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	first, from := -1, 0
	var messages []conversation.Message
	for from < upTo {
		value, err := r.Client.QueryWorkflow(ctx, workflowID, runID, workflows.QueryTranscript, workflows.TranscriptQuery{From: from, State: true})
		if err != nil {
			return 0, nil, fmt.Errorf("query transcript of %q: %w", workflowID, err)
		}
		var page workflows.Transcript
		if err := value.Get(&page); err != nil {
			return 0, nil, fmt.Errorf("query transcript of %q: %w", workflowID, err)
		}
		if first < 0 {
			first = page.First
		}
		if len(page.Messages) == 0 {
			break
		}
		messages = append(messages, page.Messages...)
		from = page.First + len(page.Messages)
	}
	if first < 0 || first+len(messages) < upTo {
		return 0, nil, fmt.Errorf("query transcript of %q: it has only %d of %d messages", workflowID, max(first, 0)+len(messages), upTo)
	}
	if first >= upTo {
		return upTo, nil, nil
	}
	return first, messages[:upTo-first], nil
}
