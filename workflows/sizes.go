package workflows

import (
	"encoding/json"
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/conversation"
)

// How long a run's history may be. Temporal ends a workflow at 50 MiB or 51,200 events, and
// a worker that has lost it from its memory must replay it within the ten seconds of a
// workflow task. docs/performance.md has the measured times of a replay.
const (
	// A run rolls over between two turns when Temporal suggests it, which by default is at
	// 4 MiB or 4,096 events, and at this size whatever the server suggests.
	maxRunHistory = 8 << 20
	maxRunEvents  = 8_000
	// A turn is brought to its end at this size: no further tools, no continued replies. A
	// turn that is parked does not retry by itself for others any more.
	maxTurnHistory = 20 << 20
	maxTurnEvents  = 20_000
	// An operator cannot resume a parked turn beyond this size: what follows must fit.
	maxResumedEvents = 45_000
)

// What Temporal takes in one payload is 2 MiB, encrypted or not: encryption adds less than
// 2 KiB. The input of the next run is one payload.
const (
	maxInput = 1900 << 10
	// maxNextInput is for the input of the next run, unless messages that must go along have
	// more: the last one, and those that the executor has not seen.
	maxNextInput = 1280 << 10
	// maxNewMessages is for the messages that go to the executor in one input. Those before
	// them are read from the workflow.
	maxNewMessages = 1280 << 10
	// maxStart is for what is known of a conversation when it begins, and maxTaskStart of a
	// task, which does not continue as new.
	maxStart     = 640 << 10
	maxTaskStart = 2 * conversation.MaxTask
)

// historyIsLong reports that the run should roll over between two turns.
func (r *run) historyIsLong(info *workflow.Info) bool {
	return info.GetContinueAsNewSuggested() ||
		r.in.Edition >= 1 && (info.GetCurrentHistorySize() > maxRunHistory || info.GetCurrentHistoryLength() > maxRunEvents)
}

// historyIsFull reports that the turn should come to its end.
func historyIsFull(ctx workflow.Context) bool {
	info := workflow.GetInfo(ctx)
	return info.GetCurrentHistorySize() > maxTurnHistory || info.GetCurrentHistoryLength() > maxTurnEvents
}

// mayContinueTurn refuses to resume a turn whose history has no place for another attempt.
func mayContinueTurn(ctx workflow.Context) error {
	info := workflow.GetInfo(ctx)
	if n := info.GetCurrentHistoryLength(); n > maxResumedEvents {
		return fmt.Errorf("this turn has %d events in its history, and Temporal ends a workflow at 51,200: it cannot be resumed any more; take it over or end the conversation", n)
	}
	return nil
}

// CheckSize refuses a start that Temporal could not record, or that would leave no place for
// the messages when the conversation continues as new.
func (s *Start) CheckSize() error {
	if s == nil {
		return nil
	}
	limit := maxStart
	if s.Context.Task != nil {
		limit = maxTaskStart
	}
	data, err := json.Marshal(s)
	if err == nil && len(data) > limit {
		err = fmt.Errorf("context and messages have %d KiB as JSON; at most %d are possible", len(data)>>10, limit>>10)
	}
	if err != nil {
		return &conversation.Error{Kind: conversation.Invalid, Op: "start conversation", Err: err, Remedy: "put large data where the agent can fetch it"}
	}
	return nil
}

// recordedSize is what a value takes when it is recorded.
func recordedSize(value any) int {
	data, err := json.Marshal(value)
	if err != nil {
		return maxInput // then it cannot be recorded at all
	}
	return len(data)
}
