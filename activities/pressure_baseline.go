package activities

import "time"

// A baseline is what one kind of call usually takes.
type baseline struct {
	usual time.Duration
	seen  int
	next  time.Time // when it may rise again
}

const (
	// A baseline judges nothing before it has seen so many calls.
	baselineCalls = 20
	// A call is slow if it takes slowFactor times as long as usual, and slowLeast longer.
	slowFactor = 4
	slowLeast  = time.Second
	// A baseline falls with each fast call, and rises by a twentieth at most each riseEvery: a
	// platform that is slower for good is the usual one after some minutes.
	riseEvery = 10 * time.Second
)

// judge returns what a call usually takes and whether this one was slow, and learns from
// it.
func (b *baseline) judge(took time.Duration) (usual time.Duration, slow bool) {
	usual = b.usual
	slow = b.seen >= baselineCalls && took >= slowFactor*usual && took >= usual+slowLeast
	b.seen++
	switch now := time.Now(); {
	case b.seen <= baselineCalls: // the mean of the first
		b.usual += (took - b.usual) / time.Duration(b.seen)
	case took < b.usual:
		b.usual -= (b.usual - took) / 10
	case !now.Before(b.next):
		b.usual += min(took-b.usual, b.usual) / 20
		b.next = now.Add(riseEvery)
	}
	return usual, slow
}
