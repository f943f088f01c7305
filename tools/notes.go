package tools

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/printable"
)

// notes are what the log has been told of a set.
type notes struct {
	mu     sync.Mutex
	known  map[string]conversation.Tool // the newest listing; nil: there was none
	faults string
	missed map[string]bool // "set/tool" names of agents that no tool has
}

// maxNotes bounds the lines that one listing adds to the log, whatever a server does.
const maxNotes = 20

// notice logs, once each, the faults of the rules that a new listing shows, and what
// changed since the last one.
func (r *Registry) notice(e *entry, listed []conversation.Tool) {
	n := &e.notes
	n.mu.Lock()
	defer n.mu.Unlock()
	if faults := strings.Join(e.rules.faults(listed), "; "); faults != n.faults {
		if n.faults = faults; faults != "" {
			r.logger.Error("the rules name tools that the set does not have", "tools", e.name, "fault", faults,
				"remedy", "compare allow, ask and retry with the names that starter executors shows")
		} else {
			r.logger.Info("the set has all tools that the rules name", "tools", e.name)
		}
	}
	r.compare(e, listed)
	n.known = make(map[string]conversation.Tool, len(listed))
	for _, t := range listed {
		n.known[t.Name] = t
	}
}

// compare logs the tools that a listing adds, changes and lacks. The mutex is held.
func (r *Registry) compare(e *entry, listed []conversation.Tool) {
	if e.notes.known == nil {
		return
	}
	lines := 0
	log := func(message, tool string, attrs ...any) {
		if lines++; lines <= maxNotes {
			r.logger.Warn(message, append([]any{"tools", e.name, "tool", printable.Clip(tool, maxName)}, attrs...)...)
		}
	}
	gone := make(map[string]bool, len(e.notes.known))
	for name := range e.notes.known {
		gone[name] = true
	}
	for _, t := range listed {
		old, known := e.notes.known[t.Name]
		delete(gone, t.Name)
		if !known {
			log("a tool was added while the worker runs", t.Name, "digest", digest(t))
		} else if changed := differences(old, t); len(changed) > 0 {
			log("a tool was changed while the worker runs", t.Name, "changed", strings.Join(changed, ", "), "digest", digest(t))
		}
	}
	for _, name := range sorted(gone) {
		log("a tool was removed while the worker runs", name)
	}
	if lines > maxNotes {
		r.logger.Warn("more tools changed", "tools", e.name, "left_out", lines-maxNotes)
	}
}

func sorted(names map[string]bool) []string {
	out := make([]string, 0, len(names))
	for name := range names {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// differences names what differs between two versions of a tool.
func differences(a, b conversation.Tool) []string {
	var out []string
	if a.Description != b.Description {
		out = append(out, "description")
	}
	if string(canonical(a.Schema)) != string(canonical(b.Schema)) {
		out = append(out, "schema")
	}
	if a.Annotations != b.Annotations || a.Repeatable != b.Repeatable {
		out = append(out, "annotations")
	}
	return out
}

// missed logs, once each, the single tools of a set that an agent names and is not
// offered.
func (r *Registry) missed(e *entry, wanted map[string]bool, usable []conversation.Tool) {
	n := &e.notes
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, name := range sorted(wanted) {
		here := slices.ContainsFunc(usable, func(t conversation.Tool) bool { return t.Name == name })
		switch {
		case here:
			delete(n.missed, name)
		case !n.missed[name]:
			if n.missed == nil {
				n.missed = make(map[string]bool)
			}
			n.missed[name] = true
			r.logger.Error("an agent names a tool that the set does not offer", "tool", e.name+"/"+name,
				"remedy", "check the agent's tools, and allow")
		}
	}
}

// digestBytes is how much of a hash a digest keeps.
const digestBytes = 16

// digest identifies what a model sees of a tool.
func digest(t conversation.Tool) string {
	text, err := json.Marshal([]string{t.Name, t.Description, string(canonical(t.Schema))})
	if err != nil { // texts always become JSON
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:digestBytes])
}

// canonical writes JSON without blanks and with sorted keys.
func canonical(raw json.RawMessage) json.RawMessage {
	var value any
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.UseNumber()
	if dec.Decode(&value) != nil {
		return raw
	}
	out, err := json.Marshal(value)
	if err != nil {
		return raw
	}
	return out
}
