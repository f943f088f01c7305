package iiiserve

import (
	"sync"
)

// logged has the newest keys that were logged, so that each is logged once. The zero
// value is ready.
type logged struct {
	mu    sync.Mutex
	keys  map[string]bool
	order []string
}

// maxLogged bounds the keys; older ones are dropped.
const maxLogged = 1000

// first reports whether a key is new, and adds it.
func (l *logged) first(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.keys[key] {
		return false
	}
	if l.keys == nil {
		l.keys = map[string]bool{}
	}
	l.keys[key] = true
	if l.order = append(l.order, key); len(l.order) > maxLogged {
		delete(l.keys, l.order[0])
		l.order = l.order[1:]
	}
	return true
}
