package ui

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
)

// A state is what a browser has of a page: for each region its parts in order.
type state map[string][]stated

type stated struct {
	key string
	sum [sha256.Size]byte
}

func (v *view) state() state {
	s := make(state, len(v.regions))
	for name, parts := range v.regions {
		for _, p := range parts {
			s[name] = append(s[name], stated{p.key, sha256.Sum256([]byte(p.html))})
		}
	}
	return s
}

// version names a state.
func (s state) version() string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(s)) {
		h.Write([]byte(name + "\x00"))
		for _, p := range s[name] {
			h.Write([]byte(p.key + "\x00"))
			h.Write(p.sum[:])
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// A patch makes one state of a page out of another.
type patch struct {
	Regions []regionPatch `json:"regions"`
}

type regionPatch struct {
	ID string `json:"id"`
	// Order has the keys of all parts, and Set the parts that are new or have changed.
	Order []string          `json:"order"`
	Set   map[string]string `json:"set,omitempty"`
}

// since is what has changed after a state. Nil: nothing. From no state, it is everything.
func (v *view) since(old state) *patch {
	var out patch
	now := v.state()
	for _, name := range slices.Sorted(maps.Keys(union(old, now))) {
		if slices.Equal(old[name], now[name]) {
			continue
		}
		had := make(map[string][sha256.Size]byte, len(old[name]))
		for _, p := range old[name] {
			had[p.key] = p.sum
		}
		r := regionPatch{ID: name, Order: []string{}, Set: make(map[string]string)}
		for i, p := range now[name] {
			r.Order = append(r.Order, p.key)
			if sum, ok := had[p.key]; !ok || sum != p.sum {
				r.Set[p.key] = string(v.regions[name][i].html)
			}
		}
		out.Regions = append(out.Regions, r)
	}
	if len(out.Regions) == 0 {
		return nil
	}
	return &out
}

func union(a, b state) state {
	all := maps.Clone(b)
	for name := range a {
		if _, ok := all[name]; !ok {
			all[name] = nil
		}
	}
	return all
}
