package iii

import (
	"math/rand/v2"
	"time"
)

const (
	firstBackoff = time.Second
	maxBackoff   = 30 * time.Second
)

// backoff is how long to wait before the next attempt after so many in a row have
// failed, from 0: it doubles up to 30 s, give or take 30 %, as the official SDKs'
// does. The spread keeps workers apart that lost the same engine.
func backoff(failed int) time.Duration {
	wait := maxBackoff
	if failed < 5 { // 1 s << 5 is beyond the most
		wait = firstBackoff << failed
	}
	return time.Duration(float64(wait) * (1 + 0.3*(2*rand.Float64()-1)))
}
