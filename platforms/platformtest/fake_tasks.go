package platformtest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

// FakeTasks is a platform of tasks in memory, for tests of what uses one. The methods are
// safe for concurrent use.
type FakeTasks struct {
	mu      sync.Mutex
	all     []*fakeTask
	lost    int
	badRows int
}

type fakeTask struct {
	ref       conversation.Ref
	task      conversation.Task
	created   time.Time
	receipt   *platforms.Receipt // nil: no worker has claimed it
	reports   []platforms.Report // that counted
	cancelled bool
}

var (
	_ platforms.Tasks  = (*FakeTasks)(nil)
	_ platforms.Source = (*FakeTasks)(nil)
)

// Add makes a task that is due. Without a payload and a time it gets some.
func (f *FakeTasks) Add(ref conversation.Ref, task conversation.Task) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if task.Payload == nil {
		task.Payload = json.RawMessage(`{"message":"do it"}`)
	}
	if task.ScheduledFor.IsZero() {
		task.ScheduledFor = time.Now().UTC().Truncate(time.Second)
	}
	f.all = append(f.all, &fakeTask{ref: ref, task: task, created: time.Now()})
}

// Cancel cancels a task.
func (f *FakeTasks) Cancel(ref conversation.Ref) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t := f.at(ref); t != nil {
		t.cancelled = true
	}
}

// Reports are the reports of a task that counted: at most one.
func (f *FakeTasks) Reports(ref conversation.Ref) []platforms.Report {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t := f.at(ref); t != nil {
		return slices.Clone(t.reports)
	}
	return nil
}

// LoseAnswers has the answers to the next n claims and reports get lost on their way
// back.
func (f *FakeTasks) LoseAnswers(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lost = n
}

// AddBadRow adds to each list of tasks a row that cannot be read.
func (f *FakeTasks) AddBadRow() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.badRows++
}

func (f *FakeTasks) at(ref conversation.Ref) *fakeTask {
	for _, t := range f.all {
		if t.ref == ref {
			return t
		}
	}
	return nil
}

// over says why a task is not to be run. Empty: it is.
func (t *fakeTask) over() string {
	switch {
	case t.cancelled:
		return "it was cancelled"
	case len(t.reports) > 0:
		return "it was acknowledged"
	}
	return ""
}

// answer loses an answer, if one is to be lost. It is called with the lock held.
func (f *FakeTasks) answer(verb string) error {
	if f.lost == 0 {
		return nil
	}
	f.lost--
	lost := fault(conversation.Unavailable, verb, "the answer was lost")
	lost.Ambiguous = true
	return lost
}

// Check implements platforms.Platform.
func (f *FakeTasks) Check(ctx context.Context, _, _ string) error { return done(ctx, "check") }

// Claim implements platforms.Tasks.
func (f *FakeTasks) Claim(ctx context.Context, ref conversation.Ref, claim platforms.Claim) (platforms.Receipt, error) {
	if err := done(ctx, "claim"); err != nil {
		return platforms.Receipt{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.at(ref)
	switch {
	case t == nil:
		return platforms.Receipt{}, fault(conversation.NotFound, "claim", "there is no task "+ref.String())
	case t.over() != "":
		return platforms.Receipt{}, fault(conversation.Claimed, "claim", t.over())
	case t.receipt != nil && claim.Tried && t.receipt.Worker == claim.Worker:
		return *t.receipt, f.answer("claim")
	case t.receipt != nil && !claim.Adopt:
		return platforms.Receipt{}, fault(conversation.Claimed, "claim", fmt.Sprintf("worker %q has it", t.receipt.Worker))
	}
	t.receipt = &platforms.Receipt{ExecutionID: "run of " + claim.Worker, Worker: claim.Worker}
	if err := f.answer("claim"); err != nil {
		return platforms.Receipt{}, err
	}
	return *t.receipt, nil
}

// FindClaim implements platforms.Tasks.
func (f *FakeTasks) FindClaim(ctx context.Context, ref conversation.Ref, claim platforms.Claim) (platforms.Receipt, error) {
	if err := done(ctx, "find claim"); err != nil {
		return platforms.Receipt{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch t := f.at(ref); {
	case t == nil:
		return platforms.Receipt{}, fault(conversation.Claimed, "find claim", "it is gone")
	case t.over() != "":
		return platforms.Receipt{}, fault(conversation.Claimed, "find claim", t.over())
	case t.receipt == nil || t.receipt.Worker != claim.Worker:
		return platforms.Receipt{}, fault(conversation.Claimed, "find claim", "this worker does not have it")
	default:
		return *t.receipt, nil
	}
}

// Context implements platforms.Tasks.
func (f *FakeTasks) Context(ctx context.Context, ref conversation.Ref) (conversation.Context, error) {
	if err := done(ctx, "context"); err != nil {
		return conversation.Context{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.at(ref)
	if t == nil {
		return conversation.Context{}, fault(conversation.NotFound, "context", "there is no task "+ref.String())
	}
	task := t.task
	about := conversation.Context{Simulation: "task " + ref.Simulation, AgentName: ref.Agent, Task: &task}
	if why := t.over(); why != "" {
		return about, fault(conversation.Ended, "context", why)
	}
	return about, nil
}

// Cancelled implements platforms.Tasks.
func (f *FakeTasks) Cancelled(ctx context.Context, ref conversation.Ref, _ platforms.Receipt) (bool, error) {
	if err := done(ctx, "cancelled"); err != nil {
		return false, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.at(ref)
	return t == nil || t.cancelled, nil
}

// Report implements platforms.Tasks.
func (f *FakeTasks) Report(ctx context.Context, ref conversation.Ref, report platforms.Report) error {
	if err := done(ctx, "report"); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if t := f.at(ref); t != nil && t.over() == "" {
		t.reports = append(t.reports, report)
	}
	return f.answer("report")
}

// Assigned implements platforms.Source.
func (f *FakeTasks) Assigned(ctx context.Context, _, agent string) ([]platforms.Assignment, error) {
	return f.list(ctx, agent, false)
}

// Open implements platforms.Source.
func (f *FakeTasks) Open(ctx context.Context, _, agent string) ([]platforms.Assignment, error) {
	return f.list(ctx, agent, true)
}

func (f *FakeTasks) list(ctx context.Context, agent string, claimed bool) ([]platforms.Assignment, error) {
	if err := done(ctx, "list"); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []platforms.Assignment
	for _, t := range f.all {
		if t.over() == "" && (t.receipt != nil) == claimed && (agent == "" || t.ref.Agent == agent) {
			all = append(all, platforms.Assignment{Ref: t.ref, Created: t.created, Touched: t.created})
		}
	}
	return all, badRows(f.badRows)
}
