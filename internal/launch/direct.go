package launch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/internal/tracing"
	"github.com/parley-run/parley/workflows"
)

// DirectPlatform is what the refs of conversations without a platform say.
const DirectPlatform = conversation.DirectPlatform

// ErrOver means that a conversation has ended, and takes no message any more.
var ErrOver = errors.New("the conversation is over")

// ErrForgotten means that a message was answered so long ago that its reply is
// nowhere to be had but, maybe, in the transcript.
var ErrForgotten = errors.New("the reply is too old")

// ErrUnknown means that there is no such conversation.
var ErrUnknown = errors.New("there is no such conversation")

// DirectRef names a direct conversation with an agent.
func DirectRef(agent, id string) conversation.Ref {
	return conversation.Ref{Platform: DirectPlatform, Project: agent, Agent: agent, ID: id}
}

// A Direct is a conversation without a platform.
type Direct struct {
	// Input names the conversation and who speaks for the agent. Its Direct may be
	// nil.
	Input workflows.ConversationInput
	// Title is a few words about it, shown in lists.
	Title string
	// Open lets a conversation that does not exist begin. Without it that is
	// ErrUnknown.
	Open bool
	// Accepted is called once the conversation has a message that is sent, and keeps it.
	// It may be called again. May be nil.
	Accepted func()
}

// Start opens a direct conversation without a message. Started is false if it
// is open already; one that is over is ErrOver.
func (l Launcher) Start(ctx context.Context, d Direct) (started bool, err error) {
	if err := d.Input.Ref.Validate(); err != nil {
		return false, err
	}
	if err := d.Input.Start.CheckSize(); err != nil {
		return false, err
	}
	run, err := l.Client.ExecuteWorkflow(ctx, l.directOptions(d), workflows.ConversationName, l.asDirect(d.Input))
	var already *serviceerror.WorkflowExecutionAlreadyStarted
	switch {
	case errors.As(err, &already):
		return false, l.over(ctx, d.Input.Ref)
	case err != nil:
		return false, fmt.Errorf("start conversation %q: %w", d.Input.Ref, err)
	}
	tracing.Started(ctx, run.GetRunID())
	return run.GetRunID() != "", nil
}

// over tells an open conversation, nil, from one that has ended.
func (l Launcher) over(ctx context.Context, ref conversation.Ref) error {
	info, err := l.Client.DescribeWorkflowExecution(ctx, workflows.ConversationID(ref), "")
	switch {
	case err != nil:
		return fmt.Errorf("conversation %q: %w", ref, err)
	case info.GetWorkflowExecutionInfo().GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING:
		return nil
	}
	return fmt.Errorf("conversation %q: %w", ref, ErrOver)
}

// Send sends a message to a direct conversation, which begins with it if necessary,
// and waits for the reply. A message that was sent before, by its id, gets the
// reply it had then, even if the conversation is over. While ctx lasts, a
// conversation that is busy, or that no worker runs, gets it again.
func (l Launcher) Send(ctx context.Context, d Direct, req workflows.SendRequest) (workflows.SendReply, error) {
	ref := d.Input.Ref
	if err := ref.Validate(); err != nil {
		return workflows.SendReply{}, err
	}
	if err := req.Validate(); err != nil { // before it opens a conversation
		return workflows.SendReply{}, fmt.Errorf("conversation %q: %w", ref, err)
	}
	if err := d.Input.Start.CheckSize(); err != nil {
		return workflows.SendReply{}, err
	}
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		reply, err := l.send(ctx, d, req)
		var (
			app  *temporal.ApplicationError
			late *client.WorkflowUpdateServiceTimeoutOrCanceledError
		)
		switch {
		case err == nil:
			return reply, nil
		case errors.As(err, &late) && ctx.Err() == nil:
			// Temporal's client gives up after a minute: no worker has taken the message
			// in, or the server holds as many of the conversation as it may.
		case errors.As(err, &app) && app.Type() == workflows.ErrTypeBusy:
		case errors.As(err, &app) && app.Type() == workflows.ErrTypeOver:
			return reply, fmt.Errorf("conversation %q: %w: %s", ref, ErrOver, app.Message())
		case errors.As(err, &app) && app.Type() == workflows.ErrTypeForgotten:
			return reply, fmt.Errorf("conversation %q: %w: %s", ref, ErrForgotten, app.Message())
		case errors.As(err, &app):
			return reply, fmt.Errorf("conversation %q: %s", ref, app.Message())
		default:
			return reply, fmt.Errorf("conversation %q: %w", ref, err)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return reply, fmt.Errorf("conversation %q: %w", ref, errors.Join(ctx.Err(), err))
		case <-timer.C:
		}
	}
}

func (l Launcher) send(ctx context.Context, d Direct, req workflows.SendRequest) (reply workflows.SendReply, err error) {
	id := workflows.ConversationID(d.Input.Ref)
	update := client.UpdateWorkflowOptions{
		WorkflowID: id,
		// The server knows the updates of a run by their ids, even when it is over.
		UpdateID:     req.ID,
		UpdateName:   workflows.UpdateSend,
		Args:         []any{req},
		WaitForStage: client.WorkflowUpdateStageAccepted,
	}
	var handle client.WorkflowUpdateHandle
	if d.Open {
		handle, err = l.Client.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
			StartWorkflowOperation: l.Client.NewWithStartWorkflowOperation(l.directOptions(d), workflows.ConversationName, l.asDirect(d.Input)),
			UpdateOptions:          update,
		})
	} else {
		handle, err = l.Client.UpdateWorkflow(ctx, update)
	}
	var already *serviceerror.WorkflowExecutionAlreadyStarted
	switch {
	case errors.As(err, &already), notFound(err):
		return l.recordedReply(ctx, id, req.ID)
	case err != nil:
		return reply, err
	}
	if d.Accepted != nil {
		d.Accepted()
	}
	if err = handle.Get(ctx, &reply); forgotten(err) {
		return l.recordedReply(ctx, id, req.ID)
	}
	return reply, err
}

// recordedReply is the reply that a message had, of a conversation that takes no more or has
// forgotten it. The server knows the updates of each run for as long as it keeps it.
func (l Launcher) recordedReply(ctx context.Context, id, message string) (reply workflows.SendReply, err error) {
	info, err := l.Client.DescribeWorkflowExecution(ctx, id, "")
	if notFound(err) {
		return reply, ErrUnknown
	}
	if err != nil {
		return reply, err
	}
	none := error(ErrOver)
	for run := info.GetWorkflowExecutionInfo().GetExecution().GetRunId(); run != ""; {
		err := l.Client.GetWorkflowUpdateHandle(client.GetWorkflowUpdateHandleOptions{
			WorkflowID: id, RunID: run, UpdateID: message,
		}).Get(ctx, &reply)
		switch {
		case forgotten(err): // there is an older run that it was answered in
			none = err
		case !notFound(err):
			return reply, err
		}
		if run, err = l.runBefore(ctx, id, run); err != nil {
			return reply, err
		}
	}
	return reply, none
}

// runBefore is the run that has continued as this one. Empty: there was none, or it
// is not kept any more.
func (l Launcher) runBefore(ctx context.Context, id, run string) (string, error) {
	first, err := l.Client.GetWorkflowHistory(ctx, id, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT).Next()
	if notFound(err) {
		return "", nil
	}
	return first.GetWorkflowExecutionStartedEventAttributes().GetContinuedExecutionRunId(), err
}

func notFound(err error) bool {
	_, is := errors.AsType[*serviceerror.NotFound](err)
	return is
}

func forgotten(err error) bool {
	app, is := errors.AsType[*temporal.ApplicationError](err)
	return is && app.Type() == workflows.ErrTypeForgotten
}

func (l Launcher) asDirect(in workflows.ConversationInput) workflows.ConversationInput {
	in.Side, in.ShowPersona = workflows.SideDirect, l.ShowPersona
	return in.WithDefaults()
}

func (l Launcher) directOptions(d Direct) client.StartWorkflowOptions {
	ref := d.Input.Ref
	persona := ""
	if start := d.Input.Start; start != nil {
		persona = l.shown(start.Context.Persona.Summary)
	}
	title := d.Title
	if title == "" {
		title = "with " + ref.Agent
	}
	return client.StartWorkflowOptions{
		ID:                                       workflows.ConversationID(ref),
		TaskQueue:                                l.taskQueue(),
		WorkflowIDReusePolicy:                    enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		WorkflowIDConflictPolicy:                 conflictPolicy(d),
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		StaticSummary:                            printable.MarkdownClip(title, maxSummary),
		StaticDetails:                            details(ref, Conversation{Input: d.Input}),
		TypedSearchAttributes:                    attributes(ref, d.Input.FirstState(), persona),
	}
}

// conflictPolicy: a message goes to the conversation that is open. Beginning one
// that is already open is recognised as such.
func conflictPolicy(d Direct) enums.WorkflowIdConflictPolicy {
	if d.Open {
		return enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
	}
	return enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL
}

// attributes are those of a conversation before it has run. persona describes the other
// side. Empty: it is not shown.
func attributes(ref conversation.Ref, first workflows.State, persona string) temporal.SearchAttributes {
	all := []temporal.SearchAttributeUpdate{
		workflows.KeyPlatform.ValueSet(ref.Platform),
		workflows.KeyProject.ValueSet(ref.Project),
		workflows.KeyAgent.ValueSet(ref.Agent),
		workflows.KeySimulation.ValueSet(ref.Simulation),
		workflows.KeyStatus.ValueSet(string(first)),
	}
	if persona = workflows.PersonaText(persona); persona != "" {
		all = append(all, workflows.KeyPersona.ValueSet(persona))
	}
	return temporal.NewSearchAttributes(all...)
}
