package records

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/workflows"
)

// A runRecord is what the history of one run says. It is read without a worker.
type runRecord struct {
	input    workflows.ConversationInput
	previous string // the run before, in a chain of continued runs
	started  time.Time
	// records build the transcript from where the run begins, and transcript is what they
	// build.
	records    []conversation.Record
	transcript conversation.Transcript
	ended      activities.EndResult
	usage      conversation.Usage
	timeline   *timelineReader
	executor   string
	model      string
	persona    conversation.Persona
	scenario   string
	outcome    *conversation.Outcome
	// broken says, for a workflow that closed without an outcome, how.
	broken string
}

func (r *runRecord) apply(record conversation.Record) {
	r.records = append(r.records, record)
	r.transcript.Apply(record)
}

// first is the index of the first message that the run knows.
func (r *runRecord) first() int {
	first, _ := r.transcript.Tail()
	return first
}

// readRun reads the history of one run, from its start to where it stands now.
func (r *Reader) readRun(ctx context.Context, id, runID string) (runRecord, error) {
	h := newHistoryReader(r.ConverterOf(id))
	err := r.EachEvent(ctx, id, runID, h.read)
	return h.run, err
}

// readChain reads the runs that an execution continued, the newest first, until
// enough says so, the chain ends, or retention has taken the rest.
func (r *Reader) readChain(ctx context.Context, id, runID string, enough func(runRecord) bool) ([]runRecord, error) {
	var runs []runRecord
	for runID != "" {
		run, err := r.readRun(ctx, id, runID)
		if KindOf(err) == NotFound && len(runs) > 0 {
			return runs, nil
		}
		if err != nil {
			return runs, err
		}
		runs = append(runs, run)
		if enough(run) {
			break
		}
		runID = run.previous
	}
	return runs, nil
}

// EachEvent reads the history of one run, from its start to where it stands now.
func (r *Reader) EachEvent(ctx context.Context, id, runID string, read func(*history.HistoryEvent) error) error {
	events := r.Client.GetWorkflowHistory(ctx, id, runID, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		var gone *serviceerror.NotFound
		if errors.As(err, &gone) {
			return Faultf(NotFound, err, "the history of run %s of %q is gone", runID, id)
		}
		if err != nil {
			return r.Explain(fmt.Sprintf("read the history of %q", id), err)
		}
		if err := read(event); err != nil {
			return Faultf(Failed, err, "read the history of %q: event %d: %s (is it encoded by a codec that this command does not have?)", id, event.GetEventId(), FirstLine(err))
		}
	}
	return nil
}
