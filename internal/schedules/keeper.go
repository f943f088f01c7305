package schedules

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/workflows"
)

// A Keeper makes, shows and changes the schedules of one namespace. Schedules in it
// that are somebody else's it does not touch. Its errors are operate's Faults.
type Keeper struct {
	Operator *operate.Operator
	// Now is the clock that times in words count from. Nil: time.Now.
	Now func() time.Time
}

func (k *Keeper) now() time.Time {
	if k.Now != nil {
		return k.Now()
	}
	return time.Now()
}

// A Plan is a new schedule.
type Plan struct {
	Name string
	// Agent is the agent's name in the configuration, Executor and Policy are its.
	Agent    string
	Executor string
	Policy   conversation.Policy
	Times    Times
	Task     Task
	Rules    Rules
	Paused   bool
	Note     string
}

// Rules say what becomes of times that cannot be kept.
type Rules struct {
	// Overlap is what happens when the run before still goes on. Empty: skip.
	Overlap Overlap
	// CatchUp is how late a run may begin after Temporal was down. Zero: a year.
	CatchUp time.Duration
	// Times is how often it runs, in all. Zero: without end.
	Times int
}

func (r Rules) check(times Times) error {
	switch {
	case r.CatchUp < 0 || r.CatchUp > 0 && r.CatchUp < minCatchUp:
		return malformed("--catch-up %v: Temporal wants at least %v", r.CatchUp, minCatchUp)
	case r.Times < 0:
		return malformed("--times %d is negative", r.Times)
	case r.Times > 1 && times.At != "":
		return malformed("--times %d: a schedule with --at runs once", r.Times)
	}
	return nil
}

const minCatchUp = 10 * time.Second

// An Overlap says what happens when it is time for a run and the one before still
// goes on.
type Overlap string

// What can happen.
const (
	Skip        Overlap = "skip"         // the new run
	BufferOne   Overlap = "buffer-one"   // one waits for the end, more are skipped
	BufferAll   Overlap = "buffer-all"   // all wait, one after the other
	CancelOther Overlap = "cancel-other" // the old run is cancelled, then the new one begins
	Allow       Overlap = "allow"        // they run side by side
)

var overlaps = map[Overlap]enums.ScheduleOverlapPolicy{
	"":          enums.SCHEDULE_OVERLAP_POLICY_UNSPECIFIED,
	Skip:        enums.SCHEDULE_OVERLAP_POLICY_SKIP,
	BufferOne:   enums.SCHEDULE_OVERLAP_POLICY_BUFFER_ONE,
	BufferAll:   enums.SCHEDULE_OVERLAP_POLICY_BUFFER_ALL,
	CancelOther: enums.SCHEDULE_OVERLAP_POLICY_CANCEL_OTHER,
	Allow:       enums.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL,
}

func (o Overlap) policy() (enums.ScheduleOverlapPolicy, error) {
	p, ok := overlaps[o]
	if !ok {
		return p, malformed("unknown overlap %q: use skip, buffer-one, buffer-all, cancel-other or allow", o)
	}
	return p, nil
}

// overlapOf is the name of a policy; one that is not among ours keeps Temporal's.
func overlapOf(p enums.ScheduleOverlapPolicy) Overlap {
	if p == enums.SCHEDULE_OVERLAP_POLICY_UNSPECIFIED {
		return Skip
	}
	for name, policy := range overlaps {
		if policy == p {
			return name
		}
	}
	return Overlap(strings.ToLower(p.String()))
}

// Create makes the schedule. A name that is taken is a fault.
func (k *Keeper) Create(ctx context.Context, p Plan) (Schedule, error) {
	options, at, err := k.options(p)
	if err != nil {
		return Schedule{}, err
	}
	op := fmt.Sprintf("create schedule %q", p.Name)
	handle, err := k.Operator.Client.ScheduleClient().Create(ctx, options)
	if errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return Schedule{}, &operate.Fault{Kind: operate.Rejected, Err: err, Text: fmt.Sprintf(
			"%s: there is one of that name in namespace %q: change it with `starter schedule update %s`, or delete it first", op, k.Operator.Namespace, p.Name)}
	}
	if err != nil {
		return Schedule{}, k.explain(op, err)
	}
	if err := k.notMissed(ctx, handle, at, options.TriggerImmediately || p.Paused, false); err != nil {
		return Schedule{}, err
	}
	return k.Show(ctx, p.Name)
}

// Check finds what is wrong with a plan, without asking Temporal.
func (p Plan) Check(now time.Time) error {
	_, _, _, err := p.settle(now)
	return err
}

// settle is the plan in Temporal's words.
func (p Plan) settle(now time.Time) (spec client.ScheduleSpec, at time.Time, task conversation.Task, err error) {
	if err = errors.Join(CheckName(p.Name), checkAgent(p.Agent)); err != nil {
		return spec, at, task, err
	}
	if spec, at, err = p.Times.spec(now); err != nil {
		return spec, at, task, err
	}
	if err = p.Rules.check(p.Times); err != nil {
		return spec, at, task, err
	}
	if _, err = p.Rules.Overlap.policy(); err != nil {
		return spec, at, task, err
	}
	if err = p.Task.apply(&task); err != nil {
		return spec, at, task, err
	}
	if p.Paused && word(p.Times.At) == "now" {
		err = malformed("--at now and --paused exclude each other: give a time that is still to come")
	}
	if string(task.Payload) == "{}" {
		err = malformed("what is the agent to do? Give --message, --params, --args or --payload")
	}
	return spec, at, task, err
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
		// The trigger is its run, however the server's clock goes.
		options.Spec.StartAt = at.Add(24 * time.Hour)
	case !at.IsZero():
		options.RemainingActions = 1
	}
	return options, at, nil
}

// action is what Temporal starts: the workflow, as launch starts it.
func (k *Keeper) action(p Plan, task conversation.Task) *client.ScheduleWorkflowAction {
	executor := cmp.Or(p.Executor, executors.Auto)
	ref := conversation.Ref{Platform: Platform, Project: p.Agent, Simulation: p.Name, Agent: p.Agent}
	in := workflows.ConversationInput{
		Ref: ref, Executor: executor, Policy: p.Policy,
		Given: given(task),
	}
	queue := k.Operator.TaskQueue
	if queue == "" {
		queue = workflows.DefaultTaskQueue
	}
	return &client.ScheduleWorkflowAction{
		// Temporal appends the time: each run has an id of its own.
		ID:        workflows.ConversationID(conversation.Ref{Platform: Platform, Project: p.Agent, ID: p.Name}),
		Workflow:  workflows.ConversationName,
		Args:      []any{in},
		TaskQueue: queue,
		// No retry policy and no execution timeout: see launch.
		StaticSummary:         fmt.Sprintf("schedule %s of %s", p.Name, p.Agent),
		StaticDetails:         fmt.Sprintf("- platform: `%s`\n- schedule: `%s`\n- agent: `%s`\n- executor: `%s`\n", Platform, p.Name, p.Agent, executor),
		TypedSearchAttributes: attributes(p.Agent, p.Name),
	}
}

// given is a task with what it says to the agent.
func given(task conversation.Task) *workflows.Given {
	return &workflows.Given{
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

// notMissed runs a schedule whose one time had come before Temporal knew of it:
// Temporal looks only at what comes after.
func (k *Keeper) notMissed(ctx context.Context, h client.ScheduleHandle, at time.Time, settled, updated bool) error {
	if at.IsZero() || settled {
		return nil
	}
	d, err := h.Describe(ctx)
	if err != nil {
		return k.explain("look at the new schedule", err)
	}
	known := d.Info.CreatedAt
	if updated {
		known = d.Info.LastUpdateAt
	}
	if known.Before(at) {
		return nil
	}
	if err := h.Trigger(ctx, client.ScheduleTriggerOptions{}); err != nil {
		return k.explain("run what has become due", err)
	}
	return nil
}

// find returns a schedule of ours, with what Temporal says of it.
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
		return nil, nil, nil, &operate.Fault{Kind: operate.NotFound, Text: fmt.Sprintf("%q is a schedule in namespace %q, but not one of Parley's", name, k.Operator.Namespace)}
	}
	return handle, d, action, nil
}

func (k *Keeper) missing(name string, err error) error {
	return &operate.Fault{Kind: operate.NotFound, Err: err, Text: fmt.Sprintf(
		"no schedule %q in namespace %q at %s: `starter schedule list` shows what there is", name, k.Operator.Namespace, k.Operator.Address)}
}

func (k *Keeper) explain(op string, err error) error {
	var old *serviceerror.Unimplemented
	if errors.As(err, &old) {
		return &operate.Fault{Kind: operate.Failed, Err: err, Text: fmt.Sprintf(
			"%s: Temporal at %s is too old for schedules: it needs server 1.20 or newer", op, k.Operator.Address)}
	}
	return k.Operator.Explain(op, err)
}

// input is what the schedule starts its workflows with.
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
	if err == nil && (in.Given == nil || in.Given.Context.Task == nil) {
		err = errors.New("it has no task")
	}
	return in, err
}

// Pause holds a schedule. Its times pass without a run.
func (k *Keeper) Pause(ctx context.Context, name, note string) (Schedule, error) {
	return k.change(ctx, "pause schedule", name, func(h client.ScheduleHandle, _ *client.ScheduleDescription) error {
		if note == "" {
			note = "paused with starter"
		}
		return h.Pause(ctx, client.SchedulePauseOptions{Note: note})
	})
}

// Resume lets it run again at its next time.
func (k *Keeper) Resume(ctx context.Context, name, note string) (Schedule, error) {
	return k.change(ctx, "resume schedule", name, func(h client.ScheduleHandle, _ *client.ScheduleDescription) error {
		if note == "" {
			note = "resumed with starter"
		}
		return h.Unpause(ctx, client.ScheduleUnpauseOptions{Note: note})
	})
}

func (k *Keeper) change(ctx context.Context, op, name string, do func(client.ScheduleHandle, *client.ScheduleDescription) error) (Schedule, error) {
	handle, d, _, err := k.find(ctx, op, name)
	if err != nil {
		return Schedule{}, err
	}
	if err := do(handle, d); err != nil {
		return Schedule{}, k.explain(fmt.Sprintf("%s %q", op, name), err)
	}
	return k.Show(ctx, name)
}

// Delete removes a schedule. Runs that go on do so.
func (k *Keeper) Delete(ctx context.Context, name string) error {
	handle, _, _, err := k.find(ctx, "delete schedule", name)
	if err != nil {
		return err
	}
	return k.explain(fmt.Sprintf("delete schedule %q", name), handle.Delete(ctx))
}

// A Change is what is to be different about a schedule. What is empty stays.
type Change struct {
	Times Times
	Task  Task
	Rules Rules
	Note  string
	// Agent is the agent it has, by its name in the configuration, or empty. Executor
	// and Policy are its, and replace those it was made with.
	Agent    string
	Executor string
	Policy   conversation.Policy
}

// Update changes a schedule. Runs that go on are not touched.
func (k *Keeper) Update(ctx context.Context, name string, c Change) (Schedule, error) {
	op := fmt.Sprintf("update schedule %q", name)
	handle, d, action, err := k.find(ctx, "update schedule", name)
	if err != nil {
		return Schedule{}, err
	}
	if has := agentOf(action.ID); c.Agent != "" && c.Agent != has {
		return Schedule{}, malformed("%s: it is of agent %q: make another for agent %q", op, has, c.Agent)
	}
	if c.Times.given() && c.Times.Zone == "" && c.Times.At == "" {
		c.Times.Zone = d.Schedule.Spec.TimeZoneName
	}
	var spec *client.ScheduleSpec
	var at time.Time
	if c.Times.given() {
		s, when, err := c.Times.spec(k.now())
		if err != nil {
			return Schedule{}, err
		}
		spec, at = &s, when
	} else if c.Times.Zone != "" || c.Times.Offset != 0 || c.Times.Jitter != 0 {
		return Schedule{}, malformed("--timezone, --offset and --jitter go with new times: give --cron, --every or --at as well")
	}
	if word(c.Times.At) == "now" {
		return Schedule{}, malformed("to run it now, use `starter schedule run %s`", name)
	}
	if err := c.Rules.check(c.Times); err != nil {
		return Schedule{}, err
	}
	overlap, err := c.Rules.Overlap.policy()
	if err != nil {
		return Schedule{}, err
	}
	err = handle.Update(ctx, client.ScheduleUpdateOptions{DoUpdate: func(u client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
		s := u.Description.Schedule
		action, ok := s.Action.(*client.ScheduleWorkflowAction)
		if !ok {
			return nil, fmt.Errorf("it is not one of Parley's")
		}
		in, err := k.input(action)
		if err != nil {
			return nil, fmt.Errorf("read its task: %w", err)
		}
		if err := c.Task.apply(in.Given.Context.Task); err != nil {
			return nil, err
		}
		if c.Agent != "" {
			in.Executor, in.Policy = cmp.Or(c.Executor, executors.Auto), c.Policy
		}
		in.Given = given(*in.Given.Context.Task)
		action.Args = []any{in}
		if spec != nil {
			s.Spec = spec
			s.State.LimitedActions, s.State.RemainingActions = !at.IsZero(), 0
			if !at.IsZero() {
				s.State.RemainingActions = 1
			}
		}
		if c.Rules.Times > 0 {
			s.State.LimitedActions, s.State.RemainingActions = true, c.Rules.Times
		}
		if c.Rules.Overlap != "" {
			s.Policy.Overlap = overlap
		}
		if c.Rules.CatchUp > 0 {
			s.Policy.CatchupWindow = c.Rules.CatchUp
		}
		if c.Note != "" {
			s.State.Note = c.Note
		}
		return &client.ScheduleUpdate{Schedule: &s}, nil
	}})
	if err != nil {
		return Schedule{}, k.explain(op, err)
	}
	if err := k.notMissed(ctx, handle, at, d.Schedule.State.Paused, true); err != nil {
		return Schedule{}, err
	}
	return k.Show(ctx, name)
}

// Run starts a run now, beside those that go on, paused or not, and returns its
// workflow id.
func (k *Keeper) Run(ctx context.Context, name string) (string, error) {
	handle, before, _, err := k.find(ctx, "run schedule", name)
	if err != nil {
		return "", err
	}
	op := fmt.Sprintf("run schedule %q", name)
	if n := len(before.Info.RecentActions); n > 0 && k.now().Sub(before.Info.RecentActions[n-1].ScheduleTime).Abs() < time.Second {
		// Temporal tells runs apart by the second.
		if err := pause(ctx, time.Second); err != nil {
			return "", k.explain(op, err)
		}
	}
	err = handle.Trigger(ctx, client.ScheduleTriggerOptions{Overlap: enums.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL})
	if err != nil {
		return "", k.explain(op, err)
	}
	known := make(map[string]bool)
	for _, a := range before.Info.RecentActions {
		known[runOf(a)] = true
	}
	for begun := k.now(); ; {
		d, err := handle.Describe(ctx)
		if err != nil {
			return "", k.explain(op, err)
		}
		for _, a := range slices.Backward(d.Info.RecentActions) {
			if a.StartWorkflowResult == nil || known[runOf(a)] {
				continue
			}
			// One that was due in this moment anyway is not meant, if there is another.
			due := !d.Schedule.State.Paused && slices.ContainsFunc(before.Info.NextActionTimes, a.ScheduleTime.Equal)
			if !due || k.now().Sub(begun) > settle {
				return a.StartWorkflowResult.WorkflowID, nil
			}
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return "", &operate.Fault{Kind: operate.Unreachable, Err: err, Text: op + ": Temporal has not begun the run in time: `starter schedule show " + name + "` tells whether it did later"}
		}
	}
}

// settle is how long Temporal may take to begin a run that was asked for.
const settle = 2 * time.Second

func runOf(a client.ScheduleActionResult) string {
	if a.StartWorkflowResult == nil {
		return ""
	}
	return a.StartWorkflowResult.FirstExecutionRunID
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// maxBackfill is what Temporal keeps waiting for one schedule.
const maxBackfill = 1000

// Backfill runs a schedule for the times that it has between from and to, both
// included, as if they were now, and returns those times.
func (k *Keeper) Backfill(ctx context.Context, name, from, to string, overlap Overlap) ([]time.Time, error) {
	handle, d, _, err := k.find(ctx, "backfill schedule", name)
	if err != nil {
		return nil, err
	}
	if overlap == "" {
		overlap = Allow
	}
	policy, err := overlap.policy()
	if err != nil {
		return nil, err
	}
	zone, err := Zone(d.Schedule.Spec.TimeZoneName)
	if err != nil {
		zone = time.UTC // Temporal may know more zones than this machine
	}
	now := k.now().In(zone)
	start, err := PastMoment(from, now)
	if err != nil {
		return nil, err
	}
	end, err := PastMoment(to, now)
	switch {
	case err != nil:
		return nil, err
	case !start.Before(end):
		return nil, malformed("--from %s is not before --to %s", Stamp(start), Stamp(end))
	case end.After(wholeSecond(now)):
		return nil, malformed("--to %s is in the future: it is %s", Stamp(end), Stamp(now))
	}
	op := fmt.Sprintf("backfill schedule %q", name)
	matching, err := k.Operator.Client.WorkflowService().ListScheduleMatchingTimes(ctx, &workflowservice.ListScheduleMatchingTimesRequest{
		Namespace: k.Operator.Namespace, ScheduleId: name,
		// Unlike a backfill it leaves out the start.
		StartTime: timestamppb.New(start.Add(-time.Millisecond)), EndTime: timestamppb.New(end),
	})
	if err != nil {
		return nil, k.explain(op, err)
	}
	var times []time.Time
	for _, t := range matching.GetStartTime() {
		times = append(times, t.AsTime().In(zone))
	}
	switch {
	case len(times) == 0:
		return nil, nil
	case len(times) >= maxBackfill:
		return nil, malformed("%s: there are %d times or more in that range: give one with less than that", op, maxBackfill)
	}
	err = handle.Backfill(ctx, client.ScheduleBackfillOptions{Backfill: []client.ScheduleBackfill{{Start: start, End: end, Overlap: policy}}})
	return times, k.explain(op, err)
}
