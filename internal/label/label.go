// Package label bounds the values of metrics' attributes. Each value is a series, which
// is kept for ever: a peer that names its model anew with each answer must not fill the
// memory of the worker and of what stores its metrics.
package label

import (
	"sync"

	"go.opentelemetry.io/otel/attribute"

	"github.com/parley-run/parley/internal/printable"
)

const (
	// Most is how many values an attribute has at most, besides [Other].
	Most = 200
	// Other stands for all values beyond the first.
	Other = "other"
)

// Values are those that an attribute has had. The zero value is ready, and safe for
// concurrent use.
type Values struct {
	mu   sync.Mutex
	seen map[string]bool
}

// Of returns the value for a name of any origin: printable, short, and one of few.
func (v *Values) Of(name string) string {
	name = printable.Name(name, printable.MaxName)
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case v.seen[name]:
		return name
	case len(v.seen) >= Most:
		return Other
	case v.seen == nil:
		v.seen = make(map[string]bool)
	}
	v.seen[name] = true
	return name
}

// A Set has the values of several attributes, by the attribute's key. The zero value is
// ready, and safe for concurrent use.
type Set struct {
	mu sync.Mutex
	by map[string]*Values
}

// Of returns the attribute with a bounded value.
func (s *Set) Of(key, name string) attribute.KeyValue {
	s.mu.Lock()
	v := s.by[key]
	if v == nil {
		if s.by == nil {
			s.by = make(map[string]*Values)
		}
		v = new(Values)
		s.by[key] = v
	}
	s.mu.Unlock()
	return attribute.String(key, v.Of(name))
}
