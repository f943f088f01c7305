package ui

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

// maxWaiting bounds the conversations that are read for the page of waiting ones.
const maxWaiting = 40

// refreshWaiting is how often they are read beside the changes of the list.
const refreshWaiting = 5 * time.Second

// urgency orders them.
var urgency = map[string]int{
	string(workflows.StateNeedsApproval): 1, string(workflows.StateNeedsAttention): 2, records.StatusStranded: 3, records.StatusWaitsForKey: 4, string(workflows.StatePaused): 5,
}

// A card is one conversation that waits for a person.
type card struct {
	row
	Step, Reason, Remedy, Choices string
	Since                         moment
	NextCheck                     moment
	ByItself                      bool
	Actions                       actions
	Fault                         string // why it could not be read
}

func (s *site) card(c *records.Conversation, r *records.Record, err error) card {
	out := card{row: s.row(found{c: c})}
	if err != nil {
		out.Fault = line(err.Error(), 300)
		r = &records.Record{Conversation: *c}
	}
	out.Reason, out.row.Reason = "", ""
	switch {
	case r.Stranded != nil:
		out.Reason, out.Remedy = line(r.Stranded.Reason, 500), line(r.Stranded.Remedy, 500)
	case r.WaitsFor != nil:
		out.Reason, out.Since = line(r.WaitsFor.Reason, 500), at(r.WaitsFor.Since)
		out.Remedy = "Give the workers the key; it goes on by itself, within ten minutes."
	case r.Attention != nil:
		a := r.Attention
		out.Step, out.Reason, out.Remedy, out.Since = line(a.Step, 80), line(a.Reason, 1000), line(a.Remedy, 600), at(a.Since)
		if r.Status == string(workflows.StateNeedsAttention) {
			out.Choices = line(a.Choices(), 200)
		}
		out.NextCheck, out.ByItself = at(a.NextCheck), a.ContinuesByItself()
	}
	out.Actions = s.actions(r)
	return out
}

// waiting is the page of what needs a person.
func (s *site) waiting(ctx context.Context) (*view, error) {
	snapshot := s.source.Snapshot()
	v := newView(s.frame(), "waiting", "waiting", "Needs a person")
	v.refresh = refreshWaiting
	var all []*records.Conversation
	for i := range snapshot.Conversations {
		if c := &snapshot.Conversations[i]; waits(c) {
			all = append(all, c)
		}
	}
	slices.SortStableFunc(all, func(a, b *records.Conversation) int { return urgency[a.Status] - urgency[b.Status] })
	more := len(all) - maxWaiting
	all = all[:min(len(all), maxWaiting)]
	cards := make([]card, len(all))
	var group errgroup.Group
	group.SetLimit(records.Parallel)
	for i, c := range all {
		group.Go(func() error {
			r, err := s.record(ctx, c.ID)
			cards[i] = s.card(c, &r, err)
			return nil
		})
	}
	_ = group.Wait()
	errs := []error{s.notices(v, snapshot)}
	for i, c := range cards {
		errs = append(errs, v.add("cards", keyOf(all[i].ID), "card", c))
	}
	if len(cards) == 0 {
		errs = append(errs, v.add("empty", "empty", "nothing-waits", !snapshot.At.IsZero()))
	}
	if more > 0 {
		errs = append(errs, v.add("empty", "more", "more-wait", struct {
			N    int
			Link string
		}{more, s.Filtered("status", statusNeeds)}))
	}
	return v, firstError(errs)
}
