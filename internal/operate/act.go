package operate

import (
	"time"

	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/workflows"
)

// An Action is what an operator did.
type Action string

// The actions. Cancel, terminate and reset are those of Temporal's own tools.
const (
	ActionRun       Action = "run"   // a conversation, or a schedule now
	ActionAdopt     Action = "adopt" // a conversation that another worker has left
	ActionApprove   Action = "approve"
	ActionDeny      Action = "deny"
	ActionTakeover  Action = "takeover"
	ActionPause     Action = "pause"
	ActionResume    Action = "resume"
	ActionEnd       Action = "end"
	ActionMove      Action = "move" // to another version of the worker
	ActionErase     Action = "erase"
	ActionStart     Action = "start" // an inbox
	ActionStop      Action = "stop"  // an inbox
	ActionCreate    Action = "create"
	ActionUpdate    Action = "update"
	ActionBackfill  Action = "backfill"
	ActionDelete    Action = "delete"
	ActionCancel    Action = "cancel"
	ActionTerminate Action = "terminate"
	ActionReset     Action = "reset"
)

// Actions lists the actions.
func Actions() []Action {
	return []Action{
		ActionRun, ActionAdopt, ActionApprove, ActionDeny, ActionTakeover, ActionPause, ActionResume, ActionEnd, ActionMove, ActionErase,
		ActionStart, ActionStop, ActionCreate, ActionUpdate, ActionBackfill, ActionDelete, ActionCancel, ActionTerminate, ActionReset,
	}
}

// An Act is what an operator did, as Temporal has recorded it.
type Act struct {
	Action Action `json:"action"`
	// By is who, as the request says, or else the identity of the client that made it. It is
	// a record, not a proof. Empty: not known.
	By string `json:"by,omitempty"`
	// At is when Temporal recorded it.
	At time.Time `json:"at"`
	// Conversation and Inbox are workflow ids, and Schedule is a name: one of them is set.
	Conversation string `json:"conversation,omitempty"`
	Inbox        string `json:"inbox,omitempty"`
	Schedule     string `json:"schedule,omitempty"`
	RunID        string `json:"run_id,omitempty"`
	// Detail is the reason that the operator gave, or what was chosen, on one line.
	Detail string `json:"detail,omitempty"`

	// key is the same for an act and its copies: a run that was reset begins with the
	// history of the original run, and Temporal repeats later requests in it.
	key string
}

// Subject is the workflow id or the name of what was acted on.
func (a Act) Subject() string {
	return a.record("").Subject()
}

const (
	// maxActor is what the workflows take as an operator's name.
	maxActor = 200
	// maxActDetail bounds Act.Detail in bytes.
	maxActDetail = 500
)

func (a Act) record(id string) workflows.ActRecord {
	return workflows.ActRecord{
		ID: id, Action: string(a.Action), By: printable.Name(a.By, maxActor),
		Conversation: a.Conversation, Inbox: a.Inbox, Schedule: a.Schedule, Detail: detail(a.Detail),
	}
}

// fromRecord reads what Record has written.
func (a *Act) fromRecord(r workflows.ActRecord) {
	a.Action, a.By, a.Detail, a.key = Action(printable.Name(r.Action, maxActor)), r.By, r.Detail, r.ID
	a.Conversation, a.Inbox, a.Schedule = r.Conversation, r.Inbox, r.Schedule
}

func detail(text string) string { return printable.Clip(printable.Line(text), maxActDetail) }
