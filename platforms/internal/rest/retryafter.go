package rest

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// RetryAfter is how long the server asks to wait: retry-after-ms, or Retry-After
// in seconds or as a date. Zero: it does not say.
func (a Answer) RetryAfter() time.Duration {
	if d, ok := Number(a.Header.Get("retry-after-ms"), time.Millisecond); ok {
		return d
	}
	value := a.Header.Get("Retry-After")
	if d, ok := Number(value, time.Second); ok {
		return d
	}
	until, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	// The server's clock, where it shows: ours may differ.
	return max(0, until.Sub(a.ServerTime()))
}

// Number reads a header that counts units of time. What is below zero is zero.
func Number(s string, unit time.Duration) (time.Duration, bool) {
	n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || math.IsNaN(n) {
		return 0, false
	}
	if n*float64(unit) >= math.MaxInt64 {
		return math.MaxInt64, true
	}
	return max(0, time.Duration(n*float64(unit))), true
}
