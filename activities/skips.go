package activities

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

const (
	// A conversation whose start was refused is tried again after this time, twice as
	// long each time, up to the longest.
	refusedFirst   = time.Minute
	refusedLongest = 10 * time.Minute
	// What a poll's status shows of the skipped.
	shownSkipped = 10
	shownReason  = 200 // bytes
	// maxSkipped bounds what is remembered of one inbox.
	maxSkipped = 1000
)

// skips remembers, for each inbox of a worker, what it leaves out. It outlives the
// polls of which an inbox has one after the other, so that each is named once.
type skips struct {
	mu  sync.Mutex
	all map[inboxKey]*skipped
}

func (s *skips) of(in PollInput, m *Metrics) *skipped {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := inboxKey{in.Platform, in.Project, in.Agent}
	it := s.all[key]
	if it == nil {
		it = &skipped{in: in, listed: make(map[listing]map[skipKey]Skipped), refusals: make(map[skipKey]refusal)}
		s.all[key] = it
	}
	it.metrics = m
	return it
}

// skipped is what one inbox leaves out. It is used by one poll at a time.
type skipped struct {
	in      PollInput
	metrics *Metrics
	// listed are rows that the platform could not give when it was last asked, by what
	// it was asked for, and refusals conversations that could not be started.
	listed   map[listing]map[skipKey]Skipped
	refusals map[skipKey]refusal
	advised
}

// A listing is what a platform is asked for.
type listing string

const (
	listWaiting listing = "waiting"
	listOpen    listing = "open"
)

type skipKey struct{ id, simulation string }

type refusal struct {
	Skipped
	times int
	next  time.Time
}

// rows takes in what a listing could not read. What it does not name any more is
// well.
func (s *skipped) rows(ctx context.Context, of listing, rows []*platforms.RowError) {
	listed := make(map[skipKey]Skipped, len(rows))
	for _, row := range rows {
		key := skipKey{row.ID, row.Simulation}
		if row.ID == "" && row.Simulation == "" {
			key.id = row.Err.Error() // else all such rows would be one
		}
		if _, twice := listed[key]; twice || len(listed) >= maxSkipped {
			continue
		}
		now := Skipped{
			ID: row.ID, Simulation: row.Simulation, Kind: conversation.KindOf(row.Err), Reason: row.Err.Error(), Since: time.Now().UTC(),
		}
		if before, ok := s.known(key); ok {
			now.Since = before.Since
		} else {
			s.tell(ctx, now, row.Err)
		}
		listed[key] = now
	}
	s.listed[of] = listed
}

func (s *skipped) known(key skipKey) (Skipped, bool) {
	for _, rows := range s.listed {
		if it, ok := rows[key]; ok {
			return it, true
		}
	}
	return Skipped{}, false
}

// refuse takes in that a conversation cannot be started.
func (s *skipped) refuse(ctx context.Context, ref conversation.Ref, err error) {
	key := skipKey{ref.ID, ref.Simulation}
	it, known := s.refusals[key]
	if !known {
		if len(s.refusals) >= maxSkipped {
			clear(s.refusals) // they are named again
		}
		it.Skipped = Skipped{ID: ref.ID, Simulation: ref.Simulation, Since: time.Now().UTC()}
	}
	it.Kind, it.Reason = conversation.KindOf(err), err.Error()
	it.next = time.Now().Add(min(refusedFirst<<min(it.times, 6), refusedLongest))
	it.times++
	s.refusals[key] = it
	if !known {
		s.tell(ctx, it.Skipped, err)
	}
}

// refusedLately reports whether a conversation is not to be tried now.
func (s *skipped) refusedLately(ref conversation.Ref) bool {
	it, ok := s.refusals[skipKey{ref.ID, ref.Simulation}]
	return ok && time.Now().Before(it.next)
}

// waiting forgets the refusals of conversations that do not wait any more.
func (s *skipped) waiting(all []platforms.Assignment) {
	if len(s.refusals) == 0 {
		return
	}
	there := make(map[skipKey]bool, len(all))
	for _, a := range all {
		there[skipKey{a.Ref.ID, a.Ref.Simulation}] = true
	}
	for key := range s.refusals {
		if !there[key] {
			delete(s.refusals, key)
		}
	}
}

func (s *skipped) tell(ctx context.Context, it Skipped, err error) {
	s.metrics.rowSkipped(ctx, s.in, it.Kind)
	activity.GetLogger(ctx).Warn("Skipped: it cannot be run; the others go on",
		"platform", s.in.Platform, "project", s.in.Project, "agent", s.in.Agent,
		"conversation_id", it.ID, "simulation", it.Simulation, "kind", string(it.Kind), "reason", clip(it.Reason), "remedy", remedyOf(err))
}

// show puts what is left out into a poll's status.
func (s *skipped) show(status *PollStatus) {
	all := make([]Skipped, 0, len(s.listed)+len(s.refusals))
	for key, it := range s.listed[listWaiting] {
		if _, twice := s.listed[listOpen][key]; !twice {
			all = append(all, it)
		}
	}
	for _, it := range s.listed[listOpen] {
		all = append(all, it)
	}
	for _, it := range s.refusals {
		all = append(all, it.Skipped)
	}
	slices.SortFunc(all, func(a, b Skipped) int {
		return cmp.Or(b.Since.Compare(a.Since), cmp.Compare(a.Simulation, b.Simulation), cmp.Compare(a.ID, b.ID))
	})
	status.Advice = s.advice
	status.SkippedCount = len(all)
	status.Skipped = all[:min(len(all), shownSkipped)]
	for i := range status.Skipped {
		status.Skipped[i].ID = shorten(status.Skipped[i].ID)
		status.Skipped[i].Simulation = shorten(status.Skipped[i].Simulation)
		status.Skipped[i].Reason = shorten(status.Skipped[i].Reason)
	}
}

// shorten keeps a heartbeat small.
func shorten(s string) string {
	if len(s) <= shownReason {
		return s
	}
	cut := shownReason
	for cut > 0 && s[cut]&0xC0 == 0x80 {
		cut--
	}
	return s[:cut] + "…"
}
