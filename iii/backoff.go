package iii

import (
	"math/rand/v2"
	"time"
)

const (
	firstBackoff = time.Second
	maxBackoff   = 30 * time.Second
)

// backoff is the wait before the next attempt, after failed+1 failures in a row. It
// doubles up to 30 s, ±30 %, as in the official SDKs. The jitter keeps workers that lost
// the same engine from reconnecting together.
func backoff(failed int) time.Duration {
	wait := maxBackoff
	if failed < 5 { // 1 s << 5 exceeds maxBackoff
		wait = firstBackoff << failed
	}
	return time.Duration(float64(wait) * (1 + 0.3*(2*rand.Float64()-1)))
}
