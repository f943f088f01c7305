package operate

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflow/v1"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation/pressure"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

// InboxAbsent is the state of an inbox without a running workflow.
const InboxAbsent = string(workflows.InboxStopped)

// An Inbox is the state of the inbox of one agent.
type Inbox struct {
	// ID is the workflow id.
	ID string `json:"id"`
	// Name is the agent's name in the configuration.
	Name     string `json:"name,omitempty"`
	Platform string `json:"platform"`
	Project  string `json:"project,omitempty"`
	Agent    string `json:"agent,omitempty"`
	// State is a workflows.InboxState; "stopped" too if it was never started.
	State string `json:"state"`
	// Polling reports whether a worker is polling now.
	Polling bool `json:"polling"`
	// Open counts running conversations of the platform instance, Waiting those that wait
	// for the platform, Started and Adopted those that this inbox began.
	Open    int `json:"open"`
	Waiting int `json:"waiting"`
	// Limit is the capacity of the platform instance. Zero: no limit. Queued wait for
	// capacity; Parked need attention and hold none; Stranded are those that no worker
	// can run.
	Limit int `json:"limit,omitempty"`
	// Reduced is set while fewer may be open, because the platform has too much to do.
	Reduced  *pressure.Reduction `json:"reduced,omitempty"`
	Queued   int                 `json:"queued,omitempty"`
	Parked   int                 `json:"parked,omitempty"`
	Stranded int                 `json:"stranded,omitempty"`
	Started  int                 `json:"started"`
	Adopted  int                 `json:"adopted"`
	Executor string              `json:"executor,omitempty"`
	// LastPoll is when the platform last answered. LastError is the failure since.
	LastPoll  time.Time `json:"last_poll,omitzero"`
	LastError string    `json:"last_error,omitempty"`
	// Advice is what the platform reports to be wrong without being a failure.
	Advice []string `json:"advice,omitempty"`
	Worker string   `json:"worker,omitempty"`
	// WorkerGone: the worker that polled last has stopped or died.
	WorkerGone bool                 `json:"worker_gone,omitempty"`
	Attention  *workflows.Attention `json:"attention,omitempty"`
	// Skipped are the newest of the conversations and simulations that cannot be read or
	// started. SkippedCount counts all of them.
	Skipped      []activities.Skipped `json:"skipped,omitempty"`
	SkippedCount int                  `json:"skipped_count,omitempty"`
	// Orphans counts the conversations in progress that no workflow runs, if the inbox
	// does not adopt them.
	Orphans int `json:"orphans,omitempty"`
	// Outages are the outages: failures of some conversations that would affect others
	// too.
	Outages []workflows.Outage `json:"outages,omitempty"`
}

// Inbox reads the state of an agent's inbox. An inbox that does not run is no fault.
func (o *Operator) Inbox(ctx context.Context, platform, project, agent string) (Inbox, error) {
	in := Inbox{
		ID:       workflows.InboxID(platform, project, agent),
		Platform: platform, Project: project, Agent: agent, State: InboxAbsent,
	}
	d, err := o.DescribeRun(ctx, in.ID)
	if records.KindOf(err) == records.NotFound {
		return in, nil
	}
	if err != nil {
		return in, err
	}
	info := d.GetWorkflowExecutionInfo()
	if !records.FromInfo(info).Open {
		return in, nil
	}
	in.State = records.Attribute[string](info, workflows.KeyStatus.GetName())
	stranded := o.StrandedOf(ctx, info)
	if stranded == nil {
		if err := o.askInbox(ctx, &in); err != nil {
			return in, err
		}
	}
	// The heartbeat of the running Poll is newer than the workflow's state.
	for _, pending := range d.GetPendingActivities() {
		if pending.GetActivityType().GetName() == activities.PollName {
			o.addPending(&in, pending)
		}
	}
	if stranded != nil {
		in.LastError = fmt.Sprintf("no worker can run the inbox: %s: %s", stranded.Reason, stranded.Remedy)
	}
	if in.Worker != "" && (stranded != nil || o.gone(ctx, info.GetTaskQueue(), in.Worker)) {
		in.Polling, in.WorkerGone = false, true
	}
	return in, nil
}

// askInbox queries the workflow of an inbox.
func (o *Operator) askInbox(ctx context.Context, in *Inbox) error {
	var status workflows.InboxStatus
	bounded, cancel := context.WithTimeout(ctx, o.Bound())
	defer cancel()
	switch err := o.Query(bounded, in.ID, "", &status, workflows.QueryStatus); records.KindOf(err) {
	case "":
		in.fromStatus(status)
	case records.NoWorker:
		in.LastError = fmt.Sprintf("no worker answers on task queue %q", o.TaskQueue)
	default:
		return err
	}
	return nil
}

// gone reports that a worker does not take tasks of a task queue any more, as far as
// Temporal knows.
func (o *Operator) gone(ctx context.Context, queue, worker string) bool {
	if queue == "" {
		return false
	}
	state, err := o.VersionsOf(ctx, queue)
	return err == nil && !slices.Contains(state.Workers(), worker)
}

func (in *Inbox) fromStatus(s workflows.InboxStatus) {
	in.State = string(s.State)
	in.Name, in.Executor = s.Settings.AgentName, s.Settings.Policy.Executor
	in.Started, in.Adopted = s.Started, s.Adopted
	in.Attention, in.Outages = s.Attention, s.Outages
	in.fromPoll(s.Poll)
}

func (in *Inbox) fromPoll(p activities.PollStatus) {
	in.Open, in.Waiting = p.Open, p.Waiting
	in.Reduced = p.Reduced
	in.Limit, in.Queued, in.Parked, in.Stranded = p.Limit, p.Queued, p.Parked, p.Stranded
	in.LastPoll, in.LastError, in.Worker, in.Advice = p.LastPoll, p.LastError, p.Worker, p.Advice
	in.Skipped, in.SkippedCount, in.Orphans = p.Skipped, p.SkippedCount, p.Orphans
}

func (o *Operator) addPending(in *Inbox, pending *workflow.PendingActivityInfo) {
	in.Polling = pending.GetLastWorkerIdentity() != "" && pending.GetLastHeartbeatTime() != nil
	var beat activities.PollStatus
	if details := pending.GetHeartbeatDetails(); len(details.GetPayloads()) > 0 {
		if err := o.ConverterOf(in.ID).FromPayloads(details, &beat); err == nil {
			in.fromPoll(beat)
			in.Started += beat.Started
			in.Adopted += beat.Adopted
		}
	}
	if in.LastError == "" && !replaced(pending) {
		in.LastError = activities.FailureText(o.ConverterOf(in.ID), pending.GetLastFailure())
	}
}

// replaced reports that the running attempt has sent a heartbeat of its own: how the one
// before ended, such as that of a worker that was killed, says nothing about it.
func replaced(pending *workflow.PendingActivityInfo) bool {
	if pending.GetState() != enums.PENDING_ACTIVITY_STATE_STARTED || pending.GetLastHeartbeatTime() == nil {
		return false
	}
	return pending.GetLastHeartbeatTime().AsTime().After(pending.GetLastStartedTime().AsTime())
}

// StopInbox ends an inbox. Its open conversations continue.
func (o *Operator) StopInbox(ctx context.Context, id string, req workflows.EndRequest) (workflows.InboxStatus, error) {
	return o.updateInbox(ctx, id, workflows.UpdateStop, "stop inbox", req)
}

// PauseInbox keeps an inbox from starting more conversations.
func (o *Operator) PauseInbox(ctx context.Context, id string, req workflows.PauseRequest) (workflows.InboxStatus, error) {
	return o.updateInbox(ctx, id, workflows.UpdatePause, "pause inbox", req)
}

// ResumeInbox resumes a paused or parked inbox.
func (o *Operator) ResumeInbox(ctx context.Context, id string, req workflows.ResumeRequest) (workflows.InboxStatus, error) {
	return o.updateInbox(ctx, id, workflows.UpdateResume, "resume inbox", req)
}

func (o *Operator) updateInbox(ctx context.Context, id, name, op string, req any) (workflows.InboxStatus, error) {
	var status workflows.InboxStatus
	err := o.send(ctx, id, name, op, req, &status)
	if kind := records.KindOf(err); kind == records.Ended || kind == records.NotFound {
		err = records.Faultf(kind, err, "%s %q: it is not running: `starter inbox start` starts it", op, id)
	}
	return status, err
}

// Inboxes lists the workflow ids of the running inboxes that match a filter. It ignores
// filter fields that only conversations have.
func (o *Operator) Inboxes(ctx context.Context, f records.Filter) ([]string, error) {
	query, err := f.Visibility(workflows.InboxName)
	if err != nil {
		return nil, err
	}
	return o.openIDs(ctx, query)
}
