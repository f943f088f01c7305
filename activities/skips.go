package activities

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/platforms"
)

const (
	// The start of a conversation that was refused is retried after this time, twice as
	// long each time, up to the longest.
	refusedFirst   = time.Minute
	refusedLongest = 10 * time.Minute
	// How much of what is skipped a poll's status shows.
	shownSkipped = 10
	shownReason  = 200 // bytes
	// maxSkipped bounds what one inbox remembers.
	maxSkipped = 1000
)

// skips holds, for each inbox of a worker, what it skips. It outlives the polls of an
// inbox, so that each skip is logged once.
type skips struct {
	mu sync.Mutex
	by map[inboxKey]*skipped
}

func (s *skips) of(in PollInput, m *Metrics) *skipped {
	s.mu.Lock()
	defer s.mu.Unlock()
	it := s.by[in.key()]
	if it == nil {
		it = &skipped{in: in, metrics: m, listed: make(map[listing]map[skipKey]Skipped), refusals: make(map[skipKey]refusal)}
		s.by[in.key()] = it
	}
	return it
}

// skipped is what one inbox skips. Polls may use it at the same time: one that was frozen
// continues beside the one that has replaced it, until it learns that it is over.
type skipped struct {
	in      PollInput
	metrics *Metrics

	mu sync.Mutex
	// listed are the rows that the platform could not give in its newest listing of each
	// kind; refusals are the conversations that could not be started.
	listed   map[listing]map[skipKey]Skipped
	refusals map[skipKey]refusal
	advised  advised
}

// A listing is what a platform lists.
type listing string

const (
	listWaiting listing = "waiting"
	listOpen    listing = "open"
)

type skipKey struct{ id, simulation string }

// A refusal is a conversation that could not be started.
type refusal struct {
	Skipped
	attempts int
	next     time.Time // when to retry
}

// rows replaces what a listing could not read. A row that it does not name any more has
// recovered.
func (s *skipped) rows(ctx context.Context, of listing, rows []*platforms.RowError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	listed := make(map[skipKey]Skipped, len(rows))
	for _, row := range rows {
		key := keyOf(row)
		if _, twice := listed[key]; twice || len(listed) >= maxSkipped {
			continue
		}
		it := Skipped{
			ID: row.ID, Simulation: row.Simulation, Kind: conversation.KindOf(row.Err), Reason: row.Err.Error(), Since: time.Now().UTC(),
		}
		if before, ok := s.known(key); ok {
			it.Since = before.Since
		} else {
			s.log(ctx, it, row.Err)
		}
		listed[key] = it
	}
	s.listed[of] = listed
}

// keyOf tells rows apart, those without any name by their errors.
func keyOf(row *platforms.RowError) skipKey {
	if row.ID == "" && row.Simulation == "" {
		return skipKey{id: row.Err.Error()}
	}
	return skipKey{row.ID, row.Simulation}
}

// advise keeps the platform's advice.
func (s *skipped) advise(ctx context.Context, in PollInput, on platforms.Platform) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advised.advise(ctx, in, on)
}

func (s *skipped) known(key skipKey) (Skipped, bool) {
	for _, rows := range s.listed {
		if it, ok := rows[key]; ok {
			return it, true
		}
	}
	return Skipped{}, false
}

// refuse records that a conversation cannot be started.
func (s *skipped) refuse(ctx context.Context, ref conversation.Ref, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := skipKey{ref.ID, ref.Simulation}
	it, known := s.refusals[key]
	if !known {
		if len(s.refusals) >= maxSkipped {
			clear(s.refusals) // they are logged again
		}
		it.Skipped = Skipped{ID: ref.ID, Simulation: ref.Simulation, Since: time.Now().UTC()}
	}
	it.Kind, it.Reason = conversation.KindOf(err), err.Error()
	it.next = time.Now().Add(min(refusedFirst<<min(it.attempts, 6), refusedLongest))
	it.attempts++
	s.refusals[key] = it
	if !known {
		s.log(ctx, it.Skipped, err)
	}
}

// recentlyRefused reports whether it is too early to retry a conversation.
func (s *skipped) recentlyRefused(ref conversation.Ref) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	it, ok := s.refusals[skipKey{ref.ID, ref.Simulation}]
	return ok && time.Now().Before(it.next)
}

// waiting forgets the refusals of conversations that are not listed any more.
func (s *skipped) waiting(all []platforms.Assignment) {
	s.mu.Lock()
	defer s.mu.Unlock()
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

func (s *skipped) log(ctx context.Context, it Skipped, err error) {
	s.metrics.rowSkipped(ctx, s.in, it.Kind)
	activity.GetLogger(ctx).Warn("Skipped a conversation that cannot be run; the others continue",
		"platform", s.in.Platform, "project", s.in.Project, "agent", s.in.Agent,
		"conversation_id", it.ID, "simulation", it.Simulation, "kind", string(it.Kind), "reason", clip(it.Reason), "remedy", remedyOf(err))
}

// show puts what is skipped into a poll's status.
func (s *skipped) show(status *PollStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.sorted()
	status.Advice = slices.Clone(s.advised.advice)
	status.SkippedCount = len(all)
	status.Skipped = all[:min(len(all), shownSkipped)]
	for i := range status.Skipped { // a heartbeat must be small
		it := &status.Skipped[i]
		it.ID, it.Simulation, it.Reason = printable.Clip(it.ID, shownReason), printable.Clip(it.Simulation, shownReason), printable.Clip(it.Reason, shownReason)
	}
}

// sorted is all that is skipped, the newest first.
func (s *skipped) sorted() []Skipped {
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
	return all
}
