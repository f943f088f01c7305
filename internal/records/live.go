package records

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/parley-run/parley/internal/pause"
)

const (
	defaultEvery = 2 * time.Second
	// maxRecords bounds the records of closed conversations that a Live holds.
	maxRecords = 2000
	// overlap is how far a reading goes back behind the one before: visibility may be some
	// seconds behind.
	overlap = time.Minute
	// wholeEvery is how often all conversations are read anew, so that those are noticed that
	// retention or an operator has removed.
	wholeEvery = 5 * time.Minute
)

// Live keeps a list of the conversations that match a filter, as they are now. A reading
// costs the open conversations and those that have closed since the one before, not all. Its
// methods are safe for concurrent use.
type Live struct {
	Reader *Reader
	Filter Filter
	// Every is the time between two readings. Zero: 2 seconds.
	Every time.Duration

	mu       sync.Mutex
	byID     map[string]Conversation
	snapshot Snapshot
	changed  chan struct{}
	closed   map[string]Record // by run ids
	order    []string          // of closed, the oldest first
}

// A Snapshot is what a Live knows at one moment. It is not changed later.
type Snapshot struct {
	// Conversations are the newest first.
	Conversations []Conversation
	// At is when they were last read. Zero: not yet.
	At time.Time
	// Err is why the newest reading has failed. Nil: it has not.
	Err error
}

// Run reads until ctx is done. A failure does not end it: Snapshot has it.
func (l *Live) Run(ctx context.Context) {
	every := l.Every
	if every <= 0 {
		every = defaultEvery
	}
	var since, whole time.Time
	for {
		began := time.Now()
		all := began.Sub(whole) > wholeEvery
		from := since
		if all {
			from = time.Time{}
		}
		found, err := l.changedSince(ctx, from)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			since = began.Add(-overlap)
			if all {
				whole = began
			}
		}
		l.update(found, err, all, began)
		if pause.For(ctx, every) != nil {
			return
		}
	}
}

// changedSince lists the open conversations and those that have closed since a time. Zero:
// all.
func (l *Live) changedSince(ctx context.Context, since time.Time) ([]Conversation, error) {
	r := l.Reader
	query, err := r.ConversationQuery(ctx, l.Filter)
	if err != nil {
		return nil, err
	}
	if !since.IsZero() {
		query += " AND (ExecutionStatus = 'Running' OR CloseTime >= " + Quote(since.UTC().Format(time.RFC3339Nano)) + ")"
	}
	found, err := r.Search(ctx, query, 0)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	for i, c := range found {
		if known, ok := l.byID[c.ID]; ok && !c.Open && !known.Open && known.RunID == c.RunID {
			found[i] = known // with the persona, which visibility may not have
		}
	}
	l.mu.Unlock()
	return found, r.complete(ctx, found)
}

func (l *Live) update(found []Conversation, err error, all bool, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		if l.snapshot.Err == nil || l.snapshot.Err.Error() != err.Error() {
			l.snapshot.Err = err
			l.notify()
		}
		return
	}
	changed := l.snapshot.Err != nil || l.snapshot.At.IsZero()
	known := l.byID
	if all || l.byID == nil {
		l.byID = make(map[string]Conversation, len(found))
	}
	for _, c := range found {
		old, ok := known[c.ID]
		changed = changed || !ok || !same(old, c)
		l.byID[c.ID] = c
	}
	changed = changed || all && len(known) != len(l.byID)
	l.snapshot.At, l.snapshot.Err = at, nil
	if !changed {
		return
	}
	list := make([]Conversation, 0, len(l.byID))
	for _, c := range l.byID {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b Conversation) int {
		if n := b.Started.Compare(a.Started); n != 0 {
			return n
		}
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	l.snapshot.Conversations = list
	l.notify()
}

// same reports that a reader of the list sees no difference.
func same(a, b Conversation) bool {
	return a.RunID == b.RunID && a.Status == b.Status && a.Turns == b.Turns && a.Outcome == b.Outcome && a.Tokens == b.Tokens && a.Cost == b.Cost &&
		slices.Equal(a.Executors, b.Executors) && slices.Equal(a.Models, b.Models) &&
		a.Persona == b.Persona && len(a.Retrying) == len(b.Retrying) && (a.Stranded == nil) == (b.Stranded == nil) && (a.WaitsFor == nil) == (b.WaitsFor == nil)
}

func (l *Live) notify() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// Snapshot returns what is known now.
func (l *Live) Snapshot() Snapshot {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.snapshot
}

// Changed returns a channel that is closed when the Snapshot next differs in what it shows.
func (l *Live) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return l.changed
}

// Record reads one conversation, by its workflow id. Closed conversations do not change:
// the newest 2,000 that were read are held.
func (l *Live) Record(ctx context.Context, id string) (Record, error) {
	l.mu.Lock()
	c, listed := l.byID[id]
	record, held := l.closed[c.RunID]
	l.mu.Unlock()
	if listed && held {
		return record, nil
	}
	record, err := l.Reader.Show(ctx, id)
	if err == nil && !record.Open {
		l.hold(record)
	}
	return record, err
}

// Held returns the record of a closed conversation if it has been read before.
func (l *Live) Held(c Conversation) (Record, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	record, ok := l.closed[c.RunID]
	return record, ok
}

func (l *Live) hold(record Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed == nil {
		l.closed = make(map[string]Record)
	}
	if _, ok := l.closed[record.RunID]; !ok {
		l.order = append(l.order, record.RunID)
	}
	l.closed[record.RunID] = record
	if len(l.order) > maxRecords {
		delete(l.closed, l.order[0])
		l.order = l.order[1:]
	}
}
