package modelcall

import (
	"math"
	"net/http"
	"strconv"
	"time"
)

// MaxRetryAfter bounds delays: a longer one makes no sense.
const MaxRetryAfter = 7 * 24 * time.Hour

// RetryAfter is how long the provider asks to wait, and zero if it does not
// say: in milliseconds, in seconds, or until a date.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	if d, ok := delay(h.Get("Retry-After-Ms"), time.Millisecond); ok {
		return d
	}
	v := h.Get("Retry-After")
	if d, ok := delay(v, time.Second); ok {
		return d
	}
	if at, err := http.ParseTime(v); err == nil {
		return min(max(at.Sub(now), 0), MaxRetryAfter)
	}
	return 0
}

func delay(s string, unit time.Duration) (time.Duration, bool) {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(n) || n < 0 {
		return 0, false
	}
	return time.Duration(min(n*float64(unit), float64(MaxRetryAfter))), true
}
