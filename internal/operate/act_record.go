package operate

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"go.temporal.io/api/serviceerror"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

// Record records an act that no update of a workflow records: in the history of the open
// conversation or inbox that it names, or else in a workflow of its own. Call it right
// before the act, so that none is without a record. At, RunID and a missing By are of no
// effect.
func (o *Operator) Record(ctx context.Context, act Act) error {
	record := act.record(uuid.NewString())
	if act.Schedule == "" {
		err := o.Client.SignalWorkflow(ctx, record.Subject(), "", workflows.SignalAct, record)
		var gone *serviceerror.NotFound
		switch {
		case err == nil:
			return nil
		case !errors.As(err, &gone):
			return o.Explain(fmt.Sprintf("record %s of %q", act.Action, record.Subject()), err)
		}
	}
	return o.recordApart(ctx, record, conversation.Ref{})
}

// RecordErasure records that a conversation is erased, where the erasure does not
// reach: in a workflow of its own, which the namespace keeps for its retention. The record
// has the conversation's id, platform, project, simulation and agent, who erased it and
// when, and no text of a conversation. Call it right before the erasure. what is added to the record: "3 runs".
func (o *Operator) RecordErasure(ctx context.Context, c records.Conversation, by, what string) error {
	record := Act{Action: ActionErase, By: by, Conversation: c.ID, Detail: what}.record(uuid.NewString())
	return o.recordApart(ctx, record, conversation.Ref{
		Platform: c.Platform, Project: c.Project, Simulation: c.Simulation, Agent: c.Agent,
	})
}

func (o *Operator) recordApart(ctx context.Context, record workflows.ActRecord, ref conversation.Ref) error {
	err := launch.Launcher{Client: o.Client, TaskQueue: o.TaskQueue}.Act(ctx, record, ref)
	if err != nil {
		return o.Explain(fmt.Sprintf("record %s of %q", record.Action, record.Subject()), errors.Unwrap(err))
	}
	return nil
}
