package limit

import "time"

const (
	// cutFactor is what a 429 leaves of the pace, slowest how far that goes.
	cutFactor = 0.5
	slowest   = 1.0 / 16
	// recovery is the part of the limits that comes back within recoveryTime.
	recovery     = 0.1
	recoveryTime = 10 * time.Second
)

// A pace is the part of the limits that is made use of. It is cut at once and
// recovers steadily.
type pace struct {
	factor float64
	cutAt  time.Time
}

func (p *pace) value(now time.Time) float64 {
	if p.cutAt.IsZero() {
		return 1
	}
	return min(1, p.factor+recovery*now.Sub(p.cutAt).Seconds()/recoveryTime.Seconds())
}

func (p *pace) cut(now time.Time) {
	p.factor = max(slowest, p.value(now)*cutFactor)
	p.cutAt = now
}

// A window bounds the calls at a time where no rate is known. The zero value is
// no bound.
type window struct {
	limit   float64
	ceiling float64 // beyond it, the bound is dropped
}

func (w *window) cut(inFlight int) {
	w.limit = max(1, float64(inFlight)*cutFactor)
	w.ceiling = float64(2 * inFlight)
}

// grow adds one for as many answers as the window is wide.
func (w *window) grow() {
	if w.limit == 0 {
		return
	}
	if w.limit += 1 / w.limit; w.limit >= w.ceiling {
		*w = window{}
	}
}

// An average follows a value, the newest counting an eighth.
type average struct {
	value float64
	known bool
}

func (a *average) add(v float64) {
	if !a.known {
		a.value, a.known = v, true
		return
	}
	a.value += (v - a.value) / 8
}

func (a *average) or(v float64) float64 {
	if a.known {
		return a.value
	}
	return v
}
