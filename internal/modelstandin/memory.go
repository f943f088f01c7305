package modelstandin

import (
	"fmt"
	"slices"
	"sync"
)

// A memory is what a service keeps of conversations.
type memory struct {
	mu    sync.Mutex
	ids   int
	lines map[string][]string
}

func newMemory() *memory { return &memory{lines: map[string][]string{}} }

func (m *memory) next(prefix string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ids++
	return fmt.Sprintf("%s_%d", prefix, m.ids)
}

func (m *memory) get(id string) ([]string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	lines, ok := m.lines[id]
	return slices.Clone(lines), ok
}

func (m *memory) put(id string, lines []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lines[id] = slices.Clone(lines)
}
