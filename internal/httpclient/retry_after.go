package httpclient

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// MaxRetryAfter bounds the delay that a peer can ask for. Callers may bound it lower.
const MaxRetryAfter = 7 * 24 * time.Hour

// RetryAfter is the delay that a response of unknown status asks for in its headers: see
// [RetryAfterOf].
func RetryAfter(h http.Header) time.Duration { return RetryAfterOf(0, h) }

// RetryAfterOf is the delay that a response asks for in its headers, from 0 to
// [MaxRetryAfter]: that of Retry-After-Ms, which some model providers send, of
// Retry-After, or of one of the headers that say when a limit is renewed
// (x-ratelimit-reset and kin), in this order. Each is read as [Value] does. A time counts
// from the server's Date, if there is one, since the clocks may differ.
//
// A header that says when a limit is renewed counts if nothing is left of that limit, or
// the status is 429. Then the limit counts of which the least is left; of several, the
// one that is renewed last.
func RetryAfterOf(status int, h http.Header) time.Duration {
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	for _, name := range retryHeaders {
		unit := time.Second
		if strings.HasSuffix(name, "-Ms") {
			unit = time.Millisecond
		}
		if d, ok := Value(h.Get(name), unit, now); ok {
			if d > 0 {
				return d
			}
			break
		}
	}
	return renewal(status, h, now)
}

// retryHeaders say when to ask again. The first that is there counts.
var retryHeaders = []string{"Retry-After-Ms", "X-Retry-After-Ms", "X-Ms-Retry-After-Ms", "Retry-After", "X-Retry-After", "X-Retry-In"}

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

// A limitLeft is what a response says of one limit.
type limitLeft struct {
	share   float64 // that is left of it
	renewed time.Duration
}

// renewal is when the limit is renewed that keeps the request from being answered. Zero:
// none is known to.
func renewal(status int, h http.Header, now time.Time) time.Duration {
	var least *limitLeft
	for _, l := range limitsLeft(status, h, now) {
		if least == nil || l.share < least.share || l.share == least.share && l.renewed > least.renewed {
			least = &l
		}
	}
	if least == nil || least.share > 0 && status != http.StatusTooManyRequests {
		return 0
	}
	return least.renewed
}

// limitsLeft reads what a response says of its limits, in any order.
func limitsLeft(status int, h http.Header, now time.Time) (all []limitLeft) {
	for name, values := range h {
		lower := strings.ToLower(name)
		if len(values) == 0 || !limits.MatchString(lower) {
			continue
		}
		if lower == "ratelimit" || lower == "x-ratelimit" { // draft-ietf-httpapi-ratelimit-headers
			left, renewed := draftLeft.FindStringSubmatch(values[0]), draftRenewed.FindStringSubmatch(values[0])
			if left != nil && renewed != nil {
				all = addLimit(all, status, left[1], "", renewed[1], time.Second, now)
			}
			continue
		}
		if !strings.Contains(lower, "reset") {
			continue
		}
		unit, base := time.Second, lower
		for _, end := range []string{"-after", "-ms"} {
			if strings.HasSuffix(base, end) && end == "-ms" {
				unit = time.Millisecond
			}
			base = strings.TrimSuffix(base, end)
		}
		of := func(what string) string { return h.Get(strings.Replace(base, "reset", what, 1)) }
		all = addLimit(all, status, of("remaining"), of("limit"), values[0], unit, now)
	}
	return all
}

var (
	limits       = regexp.MustCompile(`rate-?limit`)
	draftLeft    = regexp.MustCompile(`(?:^|[;, ])(?:r|remaining)=([0-9]{1,18})`)
	draftRenewed = regexp.MustCompile(`(?:^|[;, ])(?:t|reset)=([0-9]{1,18})`)
)

// addLimit adds a limit unless its headers say too little. Under a 429, one that does not
// say how much is left counts as used up.
func addLimit(all []limitLeft, status int, remaining, limit, reset string, unit time.Duration, now time.Time) []limitLeft {
	renewed, ok := Value(reset, unit, now)
	left, err := strconv.ParseFloat(remaining, 64)
	switch {
	case !ok, err != nil && status != http.StatusTooManyRequests:
		return all
	case err != nil || !(left > 0):
		left = 0
	default:
		if most, err := strconv.ParseFloat(limit, 64); err == nil && most > 0 {
			left /= most
		}
	}
	return append(all, limitLeft{share: left, renewed: renewed})
}
