package activities

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	// compareEvery is how often a worker compares the reservations of an instance with
	// the workflows that Temporal runs; up to a quarter is added.
	compareEvery = 10 * time.Second
	// refreshEvery is how often a full view asks Capacity again: the watchers notice the
	// end of a conversation, but not that it is parked.
	refreshEvery = 3 * time.Second
	// describedAtOnce is how many conversations a comparison describes, those first that
	// were described longest ago.
	describedAtOnce = 50
	// endedAtOnce is how many more it describes that are not listed as running.
	endedAtOnce = 500
	// describeAfter is how old a reservation must be before its conversation is
	// described: it may not have been started before.
	describeAfter = 5 * time.Second
	// strandedAfter is how long a worker must see that no worker takes a
	// conversation's task before the conversation loses its reservation.
	strandedAfter = time.Minute
	// listFactor times the interval is how often an instance without a limit is listed.
	listFactor = 5
)

// syncSchedule says when a view syncs next. Its zero value: now.
type syncSchedule struct {
	synced        bool // at least once
	next, refresh time.Time
}

// sync updates the view from the workflow Capacity, or, without a limit, from
// visibility, if that is due.
func (v *capacityView) sync(ctx context.Context, interval time.Duration) error {
	select {
	case v.syncing <- struct{}{}:
		defer func() { <-v.syncing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	full := v.full()
	v.mu.Lock()
	compare := !time.Now().Before(v.schedule.next)
	refresh := full && !time.Now().Before(v.schedule.refresh)
	v.mu.Unlock()
	var err error
	every := compareEvery
	switch {
	case !compare && !refresh:
		return nil
	case v.limit == 0:
		err, every = v.list(ctx), listFactor*interval
	case compare:
		err = v.reconcile(ctx)
	default:
		err = v.refresh(ctx)
	}
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.schedule.refresh = time.Now().Add(refreshEvery)
	if compare {
		v.schedule.next = time.Now().Add(every + rand.N(every/4+1))
	}
	return nil
}

// list counts the running conversations of an instance without a limit.
func (v *capacityView) list(ctx context.Context) error {
	running, err := v.runs.ListOpen(ctx, v.platform)
	if err != nil {
		return fmt.Errorf("inbox: list open conversations: %w", err)
	}
	if !v.schedule.synced {
		// Conversations that were started under a limit may wait for capacity.
		if err := v.runs.RemoveLimit(ctx, v.platform); err != nil {
			return fmt.Errorf("inbox: remove the limit of %q: %w", v.platform, err)
		}
	}
	listed := make(map[string]bool, len(running))
	for _, r := range running {
		listed[r.WorkflowID] = true
	}
	ended, err := v.unlisted(ctx, listed)
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.schedule.synced = true
	for _, id := range ended {
		delete(v.open, id)
	}
	for _, r := range running {
		if _, ok := v.open[r.WorkflowID]; !ok {
			v.open[r.WorkflowID] = Reservation{ID: r.WorkflowID, Simulation: r.Simulation}
		}
	}
	return nil
}

// unlisted are the open conversations that have ended: visibility does not list them, and,
// since it may lag, each is described.
func (v *capacityView) unlisted(ctx context.Context, listed map[string]bool) (ended []string, err error) {
	v.mu.Lock()
	var missing []string
	for id := range v.open {
		if !listed[id] {
			missing = append(missing, id)
		}
	}
	v.mu.Unlock()
	for _, id := range missing {
		info, err := v.runs.Describe(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("inbox: describe open conversations: %w", err)
		}
		if !info.Running {
			ended = append(ended, id)
		}
	}
	return ended, nil
}

// refresh copies the state of Capacity.
func (v *capacityView) refresh(ctx context.Context) error {
	status, err := v.capacity(ctx)
	if err == nil {
		v.update(status)
	}
	return err
}

func (v *capacityView) capacity(ctx context.Context) (CapacityStatus, error) {
	status, err := v.runs.Capacity(ctx, v.platform)
	if err != nil {
		return status, fmt.Errorf("inbox: query the capacity of %q: %w", v.platform, err)
	}
	return status, nil
}

// reconcile compares the state of Capacity with the workflows that Temporal runs, and
// reports the difference to Capacity.
func (v *capacityView) reconcile(ctx context.Context) error {
	status, err := v.capacity(ctx)
	if err != nil {
		return err
	}
	var req ReserveRequest
	var running map[string]bool
	if req.Found, running, err = v.unreserved(ctx, status); err != nil {
		return err
	}
	if err := v.compare(ctx, status, running, &req); err != nil {
		return fmt.Errorf("inbox: describe open conversations: %w", err)
	}
	v.update(status)
	if req.empty() && v.limit == status.Limit && (status.Reduced == nil || !v.fixed) {
		return nil
	}
	_, err = v.reserve(ctx, req)
	return err
}

func (r ReserveRequest) empty() bool {
	return len(r.Ended)+len(r.Unused)+len(r.Parked)+len(r.Stranded)+len(r.Found)+len(r.Wanted) == 0
}

// unreserved finds the conversations that run without a reservation. Visibility may
// lag, so each is described. listed are the ids of all that run.
func (v *capacityView) unreserved(ctx context.Context, status CapacityStatus) (found []Reservation, listed map[string]bool, err error) {
	running, err := v.runs.ListOpen(ctx, v.platform)
	if err != nil {
		return nil, nil, fmt.Errorf("inbox: list open conversations: %w", err)
	}
	known := make(map[string]bool)
	for _, r := range status.all() {
		known[r.ID] = true
	}
	listed = make(map[string]bool, len(running))
	for _, run := range running {
		listed[run.WorkflowID] = true
		if known[run.WorkflowID] {
			continue
		}
		info, err := v.runs.Describe(ctx, run.WorkflowID)
		if err != nil {
			return nil, nil, fmt.Errorf("inbox: describe open conversations: %w", err)
		}
		if info.Running && !info.Parked {
			found = append(found, Reservation{ID: run.WorkflowID, Simulation: run.Simulation})
		}
	}
	return found, listed, nil
}

// all are the conversations that Capacity knows.
func (s CapacityStatus) all() []Reservation {
	return slices.Concat(s.Open, s.Parked, s.Stranded, s.Queued)
}

// compare describes the conversations that are due, and adds to req what Capacity
// should know of them.
func (v *capacityView) compare(ctx context.Context, status CapacityStatus, running map[string]bool, req *ReserveRequest) error {
	v.mu.Lock()
	due := v.suspects.due(status.all(), running)
	v.mu.Unlock()
	for _, r := range due {
		info, err := v.runs.Describe(ctx, r.ID)
		if err != nil {
			return err
		}
		v.judge(req, r, info, slices.Contains(status.Open, r))
	}
	return nil
}

// judge adds to req what follows from the state of one conversation.
func (v *capacityView) judge(req *ReserveRequest, r Reservation, info RunInfo, holds bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case info.endedAfter(r):
		req.Ended = append(req.Ended, r)
	case !info.Running:
		// An earlier run has closed, or there has been none: the poll that holds the
		// reservation may still be about to use it.
		req.Unused = append(req.Unused, r)
	case holds && info.Parked && v.suspects.confirmed(r.ID, "parked", 0):
		req.Parked = append(req.Parked, r)
	case holds && info.Untaken != "" && v.suspects.confirmed(r.ID, info.Untaken, strandedAfter):
		req.Stranded = append(req.Stranded, r)
	case !info.Parked && info.Untaken == "":
		delete(v.suspects.seen, r.ID)
	}
}

// update copies the state of Capacity, except for what the view has released and not
// yet reported.
func (v *capacityView) update(status CapacityStatus) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.counts = CapacityCounts{
		Open: len(status.Open), Queued: len(status.Queued), Parked: len(status.Parked), Stranded: len(status.Stranded),
	}
	v.reduce(status.Reduced)
	clear(v.open)
	clear(v.inactive)
	for _, r := range status.Open {
		if released, ok := v.released[r.ID]; ok && released == r {
			v.counts.Open--
			continue
		}
		v.open[r.ID] = r
		v.watch(r.ID)
	}
	for _, r := range slices.Concat(status.Queued, status.Parked, status.Stranded) {
		v.inactive[r.ID] = true
	}
}

// suspects remembers when conversations were described, and which of them seem to use
// capacity without making progress. The view's mutex guards it.
type suspects struct {
	described map[string]time.Time
	seen      map[string]suspicion
}

// A suspicion is one reason why a conversation makes no progress: "parked", or the
// task that no worker takes.
type suspicion struct {
	reason string
	since  time.Time
}

// due chooses the conversations to describe now, and forgets those not among all. Those that
// are not listed as running have probably ended, and come first.
func (s *suspects) due(all []Reservation, running map[string]bool) []Reservation {
	now := time.Now()
	ids := make(map[string]bool, len(all))
	var due []Reservation
	for _, r := range all {
		ids[r.ID] = true
		at, seen := s.described[r.ID]
		if !seen {
			s.described[r.ID] = now // it may be starting
		} else if now.Sub(at) >= describeAfter {
			due = append(due, r)
		}
	}
	maps.DeleteFunc(s.described, func(id string, _ time.Time) bool { return !ids[id] })
	maps.DeleteFunc(s.seen, func(id string, _ suspicion) bool { return !ids[id] })
	slices.SortStableFunc(due, func(a, b Reservation) int {
		if running[a.ID] != running[b.ID] {
			if running[b.ID] {
				return -1
			}
			return 1
		}
		return s.described[a.ID].Compare(s.described[b.ID])
	})
	ended := 0
	for ended < min(len(due), endedAtOnce) && !running[due[ended].ID] {
		ended++
	}
	due = due[:min(len(due), ended+describedAtOnce)]
	for _, r := range due {
		s.described[r.ID] = now
	}
	return due
}

// confirmed reports whether this worker has seen a conversation in the same state
// before, and for so long.
func (s *suspects) confirmed(id, reason string, atLeast time.Duration) bool {
	before, ok := s.seen[id]
	if !ok || before.reason != reason {
		s.seen[id] = suspicion{reason, time.Now()}
		return false
	}
	return time.Since(before.since) >= atLeast
}
