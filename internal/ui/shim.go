package ui

import (
	"context"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/parley-run/parley/internal/records"
)

// A Snapshot is the newest list of conversations.
type Snapshot struct {
	Conversations []records.Conversation
	Counts        records.Counts
	At            time.Time
	Err           error
}

// Live polls a reader.
type Live struct {
	Reader *records.Reader
	Filter records.Filter
	Every  time.Duration

	mu       sync.Mutex
	snapshot Snapshot
	changed  chan struct{}
	known    map[string]records.Conversation
}

func (l *Live) Run(ctx context.Context) error {
	for {
		l.read(ctx)
		if err := records.Wait(ctx, 2*time.Second); err != nil {
			return nil
		}
	}
}

func (l *Live) read(ctx context.Context) {
	page, err := l.Reader.List(ctx, l.Filter, 5000)
	l.mu.Lock()
	defer l.mu.Unlock()
	next := l.snapshot
	next.At, next.Err = time.Now(), err
	if err == nil {
		next.Conversations, next.Counts = page.Conversations, page.Counts
	}
	same := (next.Err == nil) == (l.snapshot.Err == nil) && slices.EqualFunc(next.Conversations, l.snapshot.Conversations, func(a, b records.Conversation) bool {
		a.Seconds, b.Seconds = 0, 0
		return reflect.DeepEqual(a, b)
	})
	first := l.snapshot.At.IsZero()
	l.snapshot = next
	if !same || first {
		if l.changed != nil {
			close(l.changed)
		}
		l.changed = nil
	}
}

func (l *Live) Snapshot() Snapshot {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.snapshot
}

func (l *Live) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return l.changed
}

func (l *Live) Record(ctx context.Context, id string) (records.Record, error) {
	return l.Reader.Show(ctx, id)
}

func executorsOf(records.Conversation) []string { return nil }
func modelsOf(records.Conversation) []string    { return nil }
func tokensOf(records.Conversation) int64       { return 0 }
func costOf(records.Conversation) float64       { return 0 }
func addressOf(records.Conversation) string     { return "" }
func currencyOf(records.Record) string          { return "" }
func timelineOf(records.Record) []records.Turn  { return nil }
