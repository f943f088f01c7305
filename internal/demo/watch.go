package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/platforms/onerun"
	"github.com/parley-run/parley/workflows"
)

const (
	lookEvery = 100 * time.Millisecond
	// parkedEvery is the interval of asking Temporal which conversations need attention.
	parkedEvery = 2 * time.Second
)

// watch follows the conversations until all have finished or, with Exit, until the rest
// is stuck. It returns an error if ctx, the server or the worker ends.
func (d *demo) watch(ctx context.Context) (Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	var watchers sync.WaitGroup
	defer watchers.Wait()
	defer cancel()
	var (
		t        = newTracker(d.opts.Conversations, time.Now())
		finished = make(chan Conversation)
		parked   = make(chan []Conversation)
		ticker   = time.NewTicker(lookEvery)
	)
	defer ticker.Stop()
	watchers.Go(func() { d.watchParked(ctx, parked) })
	for {
		select {
		case <-ctx.Done():
			return Result{}, context.Cause(ctx)
		case <-d.stack.Done():
			return Result{}, d.stack.Err()
		case <-d.worker.done:
			return Result{}, d.worker.died()
		case c := <-finished:
			t.finish(c, time.Now())
			if !d.con.terminal {
				d.con.Print("  %d/%d  %s: %s after %s, %s", len(t.finished), t.total,
					c.Persona, c.words(), plural(c.Turns, "turn"), c.duration())
			}
		case waiting := <-parked:
			for _, c := range t.park(waiting, time.Now()) {
				d.con.Print("  ! %s", c.complaint())
			}
		case <-ticker.C:
			none := t.first.IsZero()
			for _, id := range t.update(d.practice.sim.Report().Conversations, time.Now()) {
				watchers.Go(func() { d.watchOne(ctx, id, finished) })
			}
			if none && !t.first.IsZero() {
				d.con.Print("  first conversation after %s", seconds(t.first.Sub(d.began)))
			}
			d.con.Status(t.line(time.Now()))
		}
		if t.done() || d.opts.Exit && t.stuck(time.Now()) {
			d.con.Status("")
			return Result{Conversations: t.all(d.workflowID)}, nil
		}
	}
}

// watchOne waits for the end of a conversation's workflow.
func (d *demo) watchOne(ctx context.Context, id string, finished chan<- Conversation) {
	workflowID := d.workflowID(id)
	for ctx.Err() == nil {
		// A workflow that failed has ended too: its record says how.
		_ = d.client.GetWorkflow(ctx, workflowID, "").Get(ctx, nil)
		record, err := d.operator.Show(ctx, workflowID)
		if err == nil && !record.Open {
			select {
			case finished <- fromRecord(id, record):
			case <-ctx.Done():
			}
			return
		}
		select { // it does not exist yet, or the server does not answer
		case <-ctx.Done():
		case <-time.After(lookEvery):
		}
	}
}

// watchParked reports at intervals which conversations need attention.
func (d *demo) watchParked(ctx context.Context, parked chan<- []Conversation) {
	ticker := time.NewTicker(parkedEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		page, err := d.operator.List(ctx, records.Filter{
			Project:  d.practice.seeded.ProjectID,
			Statuses: []string{string(workflows.StateNeedsAttention)},
		}, d.opts.Conversations)
		if err != nil {
			continue // another watcher notices the server's end
		}
		waiting := make([]Conversation, 0, len(page.Conversations))
		for _, c := range page.Conversations {
			record, err := d.operator.Show(ctx, c.ID)
			if err == nil && record.Attention != nil {
				waiting = append(waiting, fromRecord(d.platformID(c.ID), record))
			}
		}
		select {
		case parked <- waiting:
		case <-ctx.Done():
			return
		}
	}
}

func (d *demo) workflowID(id string) string {
	return workflows.ConversationID(conversation.Ref{
		Platform: onerun.DefaultName, Project: d.practice.seeded.ProjectID, ID: id,
	})
}

// platformID is the inverse.
func (d *demo) platformID(workflowID string) string {
	return strings.TrimPrefix(workflowID, d.workflowID(""))
}

// words is the outcome for the table.
func (c Conversation) words() string {
	kinds := []conversation.OutcomeKind{
		conversation.OutcomeEnded, conversation.OutcomeClaimLost, conversation.OutcomeFailed,
		conversation.OutcomeCancelled, conversation.OutcomeExpired, conversation.OutcomeBudgetSpent,
	}
	if kind := conversation.OutcomeKind(c.Outcome); slices.Contains(kinds, kind) {
		return conversation.Outcome{Kind: kind, EndedBy: c.EndedBy}.String()
	}
	return strings.ReplaceAll(c.Outcome, "_", " ")
}

func (c Conversation) duration() string {
	return seconds(time.Duration(c.DurationMS) * time.Millisecond)
}

// seconds formats a duration: a short one with a digit, a long one without.
func seconds(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return d.Round(time.Second).String()
}
