package activities

import (
	"sync"

	"github.com/parley-run/parley/internal/printable"
)

// maxLabels bounds the values of one attribute of metrics that other parties choose. Each
// value is a series, which is kept for ever: a peer that names its model anew with each
// answer must not fill the memory.
const maxLabels = 200

// otherLabel stands for all values beyond the first.
const otherLabel = "other"

// names are the values that an attribute has had. The zero value is ready.
type names struct {
	mu   sync.Mutex
	seen map[string]bool
}

// label returns the value for a name.
func (n *names) label(name string) string {
	name = printable.Name(name, printable.MaxName)
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.seen[name]:
		return name
	case len(n.seen) >= maxLabels:
		return otherLabel
	case n.seen == nil:
		n.seen = make(map[string]bool)
	}
	n.seen[name] = true
	return name
}
