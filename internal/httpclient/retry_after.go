package httpclient

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// MaxRetryAfter bounds the delay that a peer can ask for. Callers may bound it lower.
const MaxRetryAfter = 7 * 24 * time.Hour

// RetryAfter is the delay that a response asks for, from 0 to [MaxRetryAfter]:
// Retry-After-Ms, which some model providers send, or Retry-After, in seconds or until
// a date. A date counts from the server's Date, if there is one, since the clocks may
// differ. A value that is negative or no number asks for nothing.
func RetryAfter(h http.Header) time.Duration {
	if d, ok := Number(h.Get("Retry-After-Ms"), time.Millisecond); ok {
		return d
	}
	value := h.Get("Retry-After")
	if d, ok := Number(value, time.Second); ok {
		return d
	}
	until, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return min(max(until.Sub(now), 0), MaxRetryAfter)
}

// Delay is n units within the bounds of [RetryAfter], for delays that are part of a
// body.
func Delay(n float64, unit time.Duration) time.Duration {
	if !(n > 0) { // NaN is not
		return 0
	}
	return time.Duration(min(n*float64(unit), float64(MaxRetryAfter)))
}

// Number reads a header that counts units of time, within the same bounds. It reports
// false for a value that is negative or no number.
func Number(s string, unit time.Duration) (time.Duration, bool) {
	n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || !(n >= 0) {
		return 0, false
	}
	return Delay(n, unit), true
}
