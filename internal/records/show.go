package records

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/api/workflowservice/v1"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/workflows"
)

// A Record is all that is known about one conversation.
type Record struct {
	Conversation
	// Step is the current step: "turn 3 · reply".
	Step     string             `json:"step,omitempty"`
	Executor string             `json:"executor,omitempty"`
	Model    string             `json:"model,omitempty"`
	Usage    conversation.Usage `json:"usage"`
	// Task is the state or result of the task's run.
	Task *conversation.TaskResult `json:"task,omitempty"`
	// Queued counts the messages of a direct conversation that wait for their turn.
	Queued int `json:"queued,omitempty"`
	// Attention is set while the conversation needs attention.
	Attention *workflows.Attention `json:"attention,omitempty"`
	// Approvals are the tool calls that wait for an operator.
	Approvals []workflows.Approval `json:"approvals,omitempty"`
	// Detail is one sentence on the ending.
	Detail string `json:"detail,omitempty"`
	// Scenario is the platform's description of the situation.
	Scenario string `json:"scenario,omitempty"`
	// Currency is that of Usage.Cost. Empty: the executor has no prices.
	Currency string `json:"currency,omitempty"`
	// Timeline are the turns in order, from the histories of all runs.
	Timeline []Turn `json:"timeline,omitempty"`
	// Incomplete says why the Timeline, or messages of a conversation that its worker
	// answered for, are missing. Empty: they are not.
	Incomplete string `json:"incomplete,omitempty"`
	// Unreadable says why no more than the Conversation is known: only [Reader.Records]
	// returns such records. Empty: the record could be read.
	Unreadable string `json:"unreadable,omitempty"`
	// Source names where the record comes from: "worker", or "history" where no worker
	// was needed or none answered.
	Source   Source    `json:"source"`
	Messages []Message `json:"messages"`
}

// A Source names where a Record comes from.
type Source string

// The values of Source.
const (
	SourceWorker  Source = "worker"
	SourceHistory Source = "history"
)

// maxRuns bounds the runs that a timeline is read from. Runs before them are read only as
// far as messages are missing.
const maxRuns = 20

// Show reads one conversation, by its workflow id: a running one from its worker, and
// from the history if the worker does not answer or holds a part only; one that has
// ended, or that no worker can run, from the history alone.
func (r *Reader) Show(ctx context.Context, id string) (Record, error) {
	d, err := r.DescribeRun(ctx, id)
	if err != nil {
		return Record{}, err
	}
	return r.show(ctx, d)
}

func (r *Reader) show(ctx context.Context, d *workflowservice.DescribeWorkflowExecutionResponse) (Record, error) {
	record := Record{Conversation: r.fromDescription(ctx, d), Source: SourceHistory}
	var live *answer
	if record.Open && record.WaitsFor == nil && record.Stranded == nil { // else no worker can answer
		a, err := r.ask(ctx, record.ID, record.RunID, 0)
		if err == nil {
			live = &a
		} else if KindOf(err) != NoWorker {
			return Record{}, err
		}
	}
	read := 0
	runs, err := r.readChain(ctx, record.ID, record.RunID, func(r runRecord) bool {
		read++
		return read >= maxRuns && r.first() == 0
	})
	switch {
	case live == nil && err != nil:
		return Record{}, err
	case live == nil:
		record.fromHistory(runs)
	case err != nil:
		record.Incomplete = FirstLine(err)
		record.fromStatus(live.status)
		record.Messages = live.messages
	default:
		record.fromStatus(live.status)
		record.Messages = append(before(runs, 0, live.first), live.messages...)
	}
	if len(runs) > 0 && err == nil {
		runs[0].timeline.pending(d.GetPendingActivities())
		record.Currency, record.Scenario = runs[0].input.Policy.Currency, runs[0].scenario
		record.Timeline = timeline(runs, time.Now())
		if runs[len(runs)-1].previous != "" && len(record.Timeline) > 0 {
			record.Incomplete = fmt.Sprintf("the timeline begins at turn %d: runs of before are not read, or removed by the namespace's retention", record.Timeline[0].Number)
		}
	}
	return record, nil
}

// earlier are the messages from one index to before another, from the histories of the
// run and those before it. What has been removed is missing: the rest is still useful.
func (r *Reader) earlier(ctx context.Context, id, runID string, from, to int) []Message {
	if from >= to {
		return []Message{}
	}
	runs, _ := r.readChain(ctx, id, runID, func(r runRecord) bool { return r.first() <= from })
	return before(runs, from, to)
}

// before are the messages from one index to before another that the runs of a chain, the
// newest first, have.
func before(runs []runRecord, from, to int) []Message {
	if from >= to || len(runs) == 0 {
		return []Message{}
	}
	messages := newMessages(recorded(runs), from)
	return messages[:slices.IndexFunc(append(messages, Message{Index: to}), func(m Message) bool { return m.Index >= to })]
}

func (r *Record) fromStatus(s workflows.Status) {
	r.Source = SourceWorker
	r.Status, r.Step, r.Turns = string(s.State), s.Step, s.Turn
	r.Executor, r.Model, r.Usage = s.Executor, s.Model, s.Usage
	r.Attention, r.Task, r.Queued, r.Approvals = s.Attention, s.Task, s.Queued, s.Approvals
	nameRetrying(r.Retrying, s)
	if r.Persona == "" {
		r.Persona = s.Persona.Summary
	}
	if s.Outcome != nil {
		r.fromOutcome(*s.Outcome)
	}
}

func (r *Record) fromOutcome(out conversation.Outcome) {
	r.Outcome, r.EndedBy, r.Detail = out.Kind, out.EndedBy, out.Detail
	r.Turns, r.Usage = out.Turns, out.Usage
	if out.Task != nil {
		r.Task = out.Task
	}
	if !out.Started.IsZero() {
		r.setTimes(out.Started, r.Ended)
	}
}

// fromHistory reads the runs of a chain, the newest first.
func (r *Record) fromHistory(runs []runRecord) {
	newest := runs[0]
	all := recorded(runs)
	r.Messages = newMessages(all, 0)
	if all.Pending != nil {
		m := newMessage(all.Next, *all.Pending)
		m.Unsent = true
		r.Messages = append(r.Messages, m)
	}
	r.Executor, r.Model, r.Usage = newest.executor, newest.model, newest.usage
	r.Turns = max(r.Turns, all.Turns)
	if r.Persona == "" {
		r.Persona = newest.persona.Summary
	}
	r.fillRef(newest.input.Ref)
	r.setTimes(newest.started, r.Ended)
	switch {
	case newest.outcome != nil:
		r.fromOutcome(*newest.outcome)
	case newest.broken != "":
		r.Detail = newest.broken
	}
}

func (r *Record) fillRef(ref conversation.Ref) {
	for _, f := range []struct {
		into  *string
		value string
	}{{&r.Platform, ref.Platform}, {&r.Project, ref.Project}, {&r.Simulation, ref.Simulation}, {&r.Agent, ref.Agent}} {
		if *f.into == "" {
			*f.into = f.value
		}
	}
}

// An answer is a worker's answer about a running conversation.
type answer struct {
	status workflows.Status
	// messages are without a gap, from the index first on.
	messages []Message
	first    int
}

// ask queries a running conversation for its status and its messages from an index on.
// Without a worker in time the fault is of kind NoWorker.
func (r *Reader) ask(ctx context.Context, id, runID string, from int) (answer, error) {
	var a answer
	ctx, cancel := context.WithTimeout(ctx, r.Bound())
	defer cancel()
	if err := r.Query(ctx, id, runID, &a.status, workflows.QueryStatus); err != nil {
		return a, err
	}
	for a.first = -1; ; {
		var page workflows.Transcript
		if err := r.Query(ctx, id, runID, &page, workflows.QueryTranscript, workflows.TranscriptQuery{From: from}); err != nil {
			return a, err
		}
		if a.first < 0 {
			a.first = page.First
		}
		for i, m := range page.Messages {
			a.messages = append(a.messages, newMessage(page.First+i, m))
		}
		from = page.First + len(page.Messages)
		if len(page.Messages) == 0 || from >= page.Total {
			return a, nil
		}
	}
}

// Query asks a worker. Every failure on the worker's side counts as no worker: the
// history can answer in its place.
func (r *Reader) Query(ctx context.Context, id, runID string, into any, name string, args ...any) error {
	value, err := r.Client.QueryWorkflow(ctx, id, runID, name, args...)
	if err == nil {
		err = value.Get(into)
	}
	if err == nil {
		return nil
	}
	op := fmt.Sprintf("query %q", id)
	switch f := r.Explain(op, err); {
	case KindOf(f) == NotFound, KindOf(f) == Malformed:
		return f
	case context.Cause(ctx) == context.Canceled:
		return f
	default:
		return Faultf(NoWorker, err, "%s: no worker answered: check that one runs on task queue %q", op, r.TaskQueue)
	}
}
