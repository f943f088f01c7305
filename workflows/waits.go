package workflows

import "time"

// How often something that waits acts by itself. Each time adds events to its history: a
// wait of weeks must not fill it. The intervals of edition 1 grow with the wait.
const (
	// A conversation that is parked as ambiguous reads its platform's transcript: soon at
	// first, since most late answers come within minutes.
	firstReconcile = time.Minute
	// lastReconcile is its longest interval, in editions before 1 lastReconcile0.
	lastReconcile  = 24 * time.Hour
	lastReconcile0 = time.Hour

	// waitRetry is how soon a conversation that waits for capacity repeats its request, which
	// may have been lost with a Capacity that an operator terminated. The interval doubles up
	// to lastWaitRetry, not before edition 1.
	waitRetry     = 5 * time.Minute
	lastWaitRetry = time.Hour

	// An outage is probed after an eighth of the time that it has lasted, not before edition
	// 1, at most this seldom.
	lastProbe  = time.Hour
	probeShare = 8
)

// longestReconcile is the longest interval between two reads of an ambiguous conversation.
func (r *run) longestReconcile() time.Duration {
	if r.in.Edition >= 1 {
		return lastReconcile
	}
	return lastReconcile0
}

// nextWaitRetry is the interval that follows one in which no capacity was had.
func (r *run) nextWaitRetry(last time.Duration) time.Duration {
	if r.in.Edition >= 1 {
		return min(2*last, lastWaitRetry)
	}
	return waitRetry
}

// probeAfter is the time to the next probe of an outage that has lasted for so long and has
// come back so often.
func probeAfter(edition int, lasted time.Duration, relapsed int) time.Duration {
	d := probeEvery << min(relapsed, relapses)
	if edition >= 1 {
		d = max(d, min(lasted/probeShare, lastProbe))
	}
	return d
}
