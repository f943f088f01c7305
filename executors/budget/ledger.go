package budget

import (
	"context"
	"sync"
)

// A Ledger keeps what is spent, by account. It is safe for concurrent use, and all
// workers of an installation have the same one.
//
// It is made for a Temporal workflow per account that holds an [AccountState]: Record is a
// signal with start, Total a query or an update whose answer may be kept for a few
// seconds, and the workflow ends some days after its day.
type Ledger interface {
	// Record records an entry, in place of an earlier one with the same id. Once it
	// has returned, the entry outlives the process. It may be called again with the
	// same entry: that changes nothing.
	Record(ctx context.Context, account Account, entry Entry) error
	// Total is the sum of an account's entries. It may lag behind by some seconds.
	Total(ctx context.Context, account Account) (Amount, error)
}

// Memory is a ledger that lasts as long as the process, for tests and trials.
// Create it with [NewMemory].
type Memory struct {
	mu     sync.Mutex
	sheets map[Account]*AccountState
}

var _ Ledger = (*Memory)(nil)

// NewMemory returns an empty ledger.
func NewMemory() *Memory { return &Memory{sheets: make(map[Account]*AccountState)} }

// Record records an entry.
func (m *Memory) Record(_ context.Context, account Account, entry Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.sheets[account]
	if s == nil {
		s = &AccountState{}
		m.sheets[account] = s
	}
	s.Record(entry)
	return nil
}

// Total is the sum of an account's entries.
func (m *Memory) Total(_ context.Context, account Account) (Amount, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.sheets[account]; s != nil {
		return s.Total(), nil
	}
	return Amount{}, nil
}
