package limit

import (
	"math"
	"time"
)

// A bucket fills at a rate and is emptied by requests. It is not
// golang.org/x/time/rate, because it has to do what that one does not: be
// overdrawn by a request that turns out to be larger than was thought, get back
// what one did not use, and be corrected by what the provider says is left.
type bucket struct {
	configured int64   // a minute; 0: not
	perMinute  float64 // 0: no limit known
	level      float64 // below zero: overdrawn
	filled     time.Time
}

// burst is the part of a minute's worth that may go at once: providers enforce
// limits over less than the minute they are named for.
const burst = 1.0 / 6

// almost makes up for sums of fractions that fall short by a hair.
const almost = 1e-6

func (b *bucket) capacity() float64 { return max(1, b.perMinute*burst) }

func (b *bucket) configure(perMinute int64) {
	if perMinute == 0 {
		return
	}
	b.configured = perMinute
	b.limitTo(float64(perMinute))
}

// limitTo sets the rate. A bucket that had none begins full.
func (b *bucket) limitTo(perMinute float64) {
	fresh := b.perMinute == 0
	b.perMinute = perMinute
	if fresh {
		b.level = b.capacity()
	}
}

// fill adds what has come since the last time.
func (b *bucket) fill(now time.Time, pace float64) {
	if b.perMinute > 0 && !b.filled.IsZero() && now.After(b.filled) {
		b.level = min(b.capacity(), b.level+b.perMinute*pace*now.Sub(b.filled).Minutes())
	}
	if now.After(b.filled) {
		b.filled = now
	}
}

// holdUntil keeps the bucket from filling until a time, with no more in it than
// left.
func (b *bucket) holdUntil(at time.Time, left float64) {
	b.level = min(b.level, left)
	b.filled = at
}

// wait is how long it takes from now until need can be taken after what others
// claim. A need larger than the bucket goes when the bucket is full, and
// overdraws it: it would never go otherwise.
func (b *bucket) wait(claimed, need, pace float64) time.Duration {
	if b.perMinute == 0 {
		return 0
	}
	missing := claimed + min(need, b.capacity()) - b.level
	if missing < almost {
		return 0
	}
	return time.Duration(math.Ceil(missing / (b.perMinute * pace) * float64(time.Minute)))
}

// take may be given less than nothing: that gives back.
func (b *bucket) take(n float64) {
	if b.perMinute > 0 {
		b.level = min(b.capacity(), b.level-n)
	}
}

// observe corrects the bucket by what the provider says.
func (b *bucket) observe(a Allowance) {
	if a.Limit <= 0 {
		return
	}
	limit := float64(a.Limit)
	if used := limit - float64(a.Remaining); a.Reset > 0 && used > limit/2 {
		// What has been used comes back within Reset. This also understands limits
		// that are not for a minute but for a day.
		limit = min(limit, used/a.Reset.Minutes())
	}
	if b.configured > 0 {
		limit = min(limit, float64(b.configured))
	}
	b.limitTo(limit)
	// Never upwards: requests of ours may be on their way there.
	b.level = min(b.level, float64(a.Remaining), b.capacity())
}
