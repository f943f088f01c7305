package pressure

import (
	"cmp"
	"slices"
	"time"
)

const (
	// Of the calls of a window, one in badShare must be bad, and those of leastFailing
	// conversations or polls, for the window to be bad.
	badShare     = 5
	leastFailing = 2
	// drainWindows is after how many windows a limit is halved again although what is open
	// has not come down to it.
	drainWindows = 6
	// forgetWindows is how many windows after the last bad one a reduction is forgotten.
	forgetWindows = 60
	// growSteps is how many steps lead from nothing to the configured limit.
	growSteps = 20
	// longestHold bounds how long a platform that asks for a wait keeps a limit from
	// growing.
	longestHold = 5 * time.Minute
)

// A Limit is how many conversations may be open on a platform, as its reports show. The
// zero value is not reduced. It is not safe for concurrent use.
type Limit struct {
	// Reduction is nil while the configured limit applies.
	Reduction *Reduction `json:"reduction,omitempty"`
	// Changed is when the limit last changed, LastBad when a window was last bad, and
	// Hold until when the limit must not grow.
	Changed time.Time `json:"changed,omitzero"`
	LastBad time.Time `json:"last_bad,omitzero"`
	Hold    time.Time `json:"hold,omitzero"`
	// Reached: the limit has kept a conversation from beginning since it last changed.
	Reached bool `json:"reached,omitempty"`
	// Window is the window that goes on.
	Window Window `json:"window,omitzero"`
}

// A Window adds up the reports of all workers.
type Window struct {
	Since   time.Time `json:"since,omitzero"`
	Calls   int       `json:"calls,omitempty"`
	Bad     int       `json:"bad,omitempty"`
	Failing []string  `json:"failing,omitempty"`
	Reason  string    `json:"reason,omitempty"`
}

// Use is how a platform's capacity is used.
type Use struct {
	// Max is the configured limit, and Open how many are open.
	Max, Open int
	// Full: the limit keeps conversations from beginning.
	Full bool
}

// A Change is what a report has changed.
type Change string

// The changes.
const (
	Unchanged Change = ""
	Lowered   Change = "lowered"
	Raised    Change = "raised"
	Restored  Change = "restored" // the configured limit applies again
)

// Of returns how many may be open of the configured limit, which is at least 1.
func (l *Limit) Of(configured int) int {
	if l.Reduction == nil {
		return configured
	}
	return max(1, min(l.Reduction.Limit, configured))
}

// Note remembers whether the limit keeps conversations from beginning.
func (l *Limit) Note(full bool) {
	l.Reached = l.Reduction != nil && (l.Reached || full)
}

// Restore forgets a reduction.
func (l *Limit) Restore() Change {
	if l.Reduction == nil {
		return Unchanged
	}
	*l = Limit{Changed: l.Changed, LastBad: l.LastBad}
	return Restored
}

// Observe takes a report in.
func (l *Limit) Observe(now time.Time, use Use, r Report) Change {
	switch {
	case r.Off:
		return l.Restore()
	case l.Reduction != nil && l.Reduction.Limit >= use.Max: // the configured limit was lowered
		return l.Restore()
	}
	window := cmp.Or(max(r.Window, 0), DefaultWindow)
	l.Note(use.Full)
	if age := now.Sub(l.Window.Since); age >= window || age < 0 {
		l.Window = Window{Since: now}
	}
	l.Window.add(r)
	if l.Window.isBad() {
		return l.lower(now, window, use, r)
	}
	return l.grow(now, window, use, r)
}

func (l *Limit) lower(now time.Time, window time.Duration, use Use, r Report) Change {
	l.LastBad = now
	if hold := now.Add(min(max(r.Wait, 0), longestHold)); hold.After(l.Hold) {
		l.Hold = hold
	}
	limit := l.Of(use.Max)
	next := max(1, min(limit, use.Open)/2)
	if use.Open == 0 || next >= limit {
		return Unchanged
	}
	if l.Reduction != nil {
		wait := window
		if use.Open > limit {
			wait = drainWindows * window
		}
		if now.Sub(l.Reduction.Since) < wait {
			return Unchanged
		}
	}
	l.Reduction = &Reduction{Limit: next, Since: now, Reason: l.Window.Reason}
	l.Changed, l.Reached, l.Window = now, false, Window{Since: now}
	return Lowered
}

func (l *Limit) grow(now time.Time, window time.Duration, use Use, r Report) Change {
	switch {
	case l.Reduction == nil || r.Calls <= r.Bad:
		return Unchanged
	case now.Sub(l.LastBad) >= forgetWindows*window:
		return l.Restore()
	case !l.Reached, now.Before(l.Hold), now.Sub(l.Changed) < window, now.Sub(l.LastBad) < window:
		return Unchanged
	}
	next := l.Reduction.Limit + max(1, use.Max/growSteps)
	if next >= use.Max {
		return l.Restore()
	}
	raised := *l.Reduction // the one before may be in an answer that is on its way
	raised.Limit = next
	l.Reduction, l.Changed, l.Reached = &raised, now, use.Full && use.Open >= next
	return Raised
}

// add counts a report.
func (w *Window) add(r Report) {
	bad := max(r.Bad, 0)
	w.Calls += max(r.Calls, bad)
	w.Bad += bad
	if bad > 0 {
		w.Reason = r.Reason
	}
	for _, id := range r.Failing {
		if len(w.Failing) < MaxFailing && !slices.Contains(w.Failing, id) {
			w.Failing = append(w.Failing, id)
		}
	}
}

func (w *Window) isBad() bool {
	return len(w.Failing) >= leastFailing && w.Bad*badShare >= w.Calls
}
