package schedules

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

// A Keeper creates, shows and changes the schedules of one namespace. It does not touch
// schedules of other programs. Its errors are operate's Faults.
type Keeper struct {
	Operator *operate.Operator
	// By is the operator, whose changes are recorded. Empty: they are not.
	By string
	// Now is the clock for relative times. Nil: time.Now.
	Now func() time.Time
}

func (k *Keeper) now() time.Time {
	if k.Now != nil {
		return k.Now()
	}
	return time.Now()
}

// Create creates the schedule. A name in use is a fault.
func (k *Keeper) Create(ctx context.Context, p Plan) (Schedule, error) {
	options, at, err := k.options(p)
	if err != nil {
		return Schedule{}, err
	}
	op := fmt.Sprintf("create schedule %q", p.Name)
	handle, err := k.Operator.Client.ScheduleClient().Create(ctx, options)
	if errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return Schedule{}, &records.Fault{Kind: records.Rejected, Err: err, Text: fmt.Sprintf(
			"%s: namespace %q has a schedule of that name: change it with `starter schedule update %s`, or delete it first", op, k.Operator.Namespace, p.Name)}
	}
	if err != nil {
		return Schedule{}, k.explain(op, err)
	}
	// After the creation: a name in use is rejected.
	if err := k.record(ctx, operate.ActionCreate, p.Name, "agent "+p.Agent); err != nil {
		return Schedule{}, err
	}
	if err := k.notMissed(ctx, handle, at, options.TriggerImmediately || p.Paused, false); err != nil {
		return Schedule{}, err
	}
	return k.Show(ctx, p.Name)
}

func (k *Keeper) options(p Plan) (options client.ScheduleOptions, at time.Time, err error) {
	spec, at, task, err := p.settle(k.now())
	if err != nil {
		return options, at, err
	}
	options = client.ScheduleOptions{
		ID: p.Name, Spec: spec, Action: k.action(p, task),
		Overlap: overlaps[p.Rules.Overlap], CatchupWindow: p.Rules.CatchUp,
		RemainingActions: p.Rules.Times, Paused: p.Paused, Note: p.Note,
		TypedSearchAttributes: attributes(p.Agent, p.Name),
	}
	switch {
	case word(p.Times.At) == "now":
		options.TriggerImmediately = true
		// The trigger starts the run, whatever the server's clock shows.
		options.Spec.StartAt = at.Add(24 * time.Hour)
	case !at.IsZero():
		options.RemainingActions = 1
	}
	return options, at, nil
}

// action is the workflow that Temporal starts, with launch's options.
func (k *Keeper) action(p Plan, task conversation.Task) *client.ScheduleWorkflowAction {
	ref := conversation.Ref{Platform: Platform, Project: p.Agent, Simulation: p.Name, Agent: p.Agent}
	in := workflows.ConversationInput{
		Ref: ref, Policy: p.Policy,
		Side: workflows.SideTask, Start: start(task),
	}.WithDefaults()
	queue := k.Operator.TaskQueue
	if queue == "" {
		queue = workflows.DefaultTaskQueue
	}
	return &client.ScheduleWorkflowAction{
		// Temporal appends the time, which makes each run's id unique.
		ID:        workflows.ConversationID(conversation.Ref{Platform: Platform, Project: p.Agent, ID: p.Name}),
		Workflow:  workflows.ConversationName,
		Args:      []any{in},
		TaskQueue: queue,
		// As in launch: no retry policy and no execution timeout.
		StaticSummary: printable.MarkdownClip(fmt.Sprintf("schedule %s of %s", p.Name, p.Agent), 200),
		StaticDetails: fmt.Sprintf("- platform: %s\n- schedule: %s\n- agent: %s\n- executor: %s\n", Platform,
			printable.MarkdownClip(p.Name, 2000), printable.MarkdownClip(p.Agent, 2000), printable.MarkdownClip(in.Policy.Executor, 2000)),
		TypedSearchAttributes: attributes(p.Agent, p.Name),
	}
}

// start is a task with its message to the agent.
func start(task conversation.Task) *workflows.Start {
	return &workflows.Start{
		Context: conversation.Context{Task: &task}, Messages: []conversation.Message{task.Message()},
	}
}

func attributes(agent, name string) temporal.SearchAttributes {
	return temporal.NewSearchAttributes(
		workflows.KeyPlatform.ValueSet(Platform),
		workflows.KeyProject.ValueSet(agent),
		workflows.KeyAgent.ValueSet(agent),
		workflows.KeySimulation.ValueSet(name),
		workflows.KeyStatus.ValueSet(string(workflows.StateClaiming)),
	)
}

// notMissed runs a schedule whose only time had passed before Temporal knew of it:
// Temporal considers later times only.
func (k *Keeper) notMissed(ctx context.Context, h client.ScheduleHandle, at time.Time, settled, updated bool) error {
	if at.IsZero() || settled {
		return nil
	}
	d, err := h.Describe(ctx)
	if err != nil {
		return k.explain("check the new schedule", err)
	}
	known := d.Info.CreatedAt
	if updated {
		known = d.Info.LastUpdateAt
	}
	if known.Before(at) {
		return nil
	}
	if err := h.Trigger(ctx, client.ScheduleTriggerOptions{}); err != nil {
		return k.explain("run what is due", err)
	}
	return nil
}

// find returns a schedule of Parley with Temporal's description.
func (k *Keeper) find(ctx context.Context, op, name string) (client.ScheduleHandle, *client.ScheduleDescription, *client.ScheduleWorkflowAction, error) {
	handle := k.Operator.Client.ScheduleClient().GetHandle(ctx, name)
	d, err := handle.Describe(ctx)
	var gone *serviceerror.NotFound
	var namespace *serviceerror.NamespaceNotFound
	switch {
	case name == "":
		return nil, nil, nil, malformed("%s: the name is empty", op)
	case errors.As(err, &gone) && !errors.As(err, &namespace):
		return nil, nil, nil, k.missing(name, err)
	case err != nil:
		return nil, nil, nil, k.explain(fmt.Sprintf("%s %q", op, name), err)
	}
	action, ok := d.Schedule.Action.(*client.ScheduleWorkflowAction)
	if !ok || action.Workflow != workflows.ConversationName || !strings.HasPrefix(action.ID, Platform+"/") {
		return nil, nil, nil, &records.Fault{Kind: records.NotFound, Text: fmt.Sprintf("%q is a schedule in namespace %q, but Parley did not create it", name, k.Operator.Namespace)}
	}
	return handle, d, action, nil
}

func (k *Keeper) missing(name string, err error) error {
	return &records.Fault{Kind: records.NotFound, Err: err, Text: fmt.Sprintf(
		"no schedule %q in namespace %q at %s: `starter schedule list` lists them", name, k.Operator.Namespace, k.Operator.Address)}
}

func (k *Keeper) explain(op string, err error) error {
	var old *serviceerror.Unimplemented
	if errors.As(err, &old) {
		return &records.Fault{Kind: records.Failed, Err: err, Text: fmt.Sprintf(
			"%s: Temporal at %s is too old for schedules: it needs server 1.20 or newer", op, k.Operator.Address)}
	}
	return k.Operator.Explain(op, err)
}

// input is the input of the schedule's workflows.
func (k *Keeper) input(action *client.ScheduleWorkflowAction) (workflows.ConversationInput, error) {
	var in workflows.ConversationInput
	if len(action.Args) != 1 {
		return in, fmt.Errorf("it has %d arguments", len(action.Args))
	}
	payload, ok := action.Args[0].(*common.Payload)
	if !ok {
		return in, fmt.Errorf("its argument is a %T", action.Args[0])
	}
	dc := k.Operator.Converter
	if dc == nil {
		dc = converter.GetDefaultDataConverter()
	}
	dc = converter.WithDataConverterSerializationContext(dc, converter.WorkflowSerializationContext{
		Namespace: k.Operator.Namespace, WorkflowID: action.ID,
	})
	err := dc.FromPayload(payload, &in)
	if err == nil && (in.Start == nil || in.Start.Context.Task == nil) {
		err = errors.New("it has no task")
	}
	return in, err
}
