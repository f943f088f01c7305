package limit

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"time"
)

// A RateReport is what a provider says about its limits along with an answer.
type RateReport struct {
	Requests Allowance
	Tokens   Allowance
}

// An Allowance is one limit and what is left of it. The zero value says nothing.
type Allowance struct {
	// Limit is how much there is in all. Zero: not said.
	Limit int64
	// Remaining is how much is left.
	Remaining int64
	// Reset is how long it takes until all of it is there again.
	Reset time.Duration
}

type reporterKey struct{}

func withReporter(ctx context.Context, l *limiter) context.Context {
	return context.WithValue(ctx, reporterKey{}, l)
}

// Report reports to the limiter that the call with this context came through, if any
// did, what the provider says about its limits.
func Report(ctx context.Context, r RateReport) {
	if l, ok := ctx.Value(reporterKey{}).(*limiter); ok && r != (RateReport{}) {
		l.report(r)
	}
}

// ReportHeaders does the same with a response's headers. Backends call it for
// every response, good or bad.
func ReportHeaders(ctx context.Context, h http.Header) {
	if ctx.Value(reporterKey{}) != nil {
		Report(ctx, ParseHeaders(h, time.Now()))
	}
}

// ParseHeaders understands the headers of OpenAI (x-ratelimit-…-requests, also
// sent by many compatible servers) and of Anthropic (anthropic-ratelimit-…).
func ParseHeaders(h http.Header, now time.Time) RateReport {
	return RateReport{
		Requests: allowance(h, "requests", now),
		Tokens:   allowance(h, "tokens", now),
	}
}

func allowance(h http.Header, what string, now time.Time) Allowance {
	for _, name := range []func(string) string{
		func(field string) string { return "X-Ratelimit-" + field + "-" + what },
		func(field string) string { return "Anthropic-Ratelimit-" + what + "-" + field },
	} {
		limit, okLimit := count(h.Get(name("limit")))
		remaining, okRemaining := count(h.Get(name("remaining")))
		if okLimit && okRemaining && limit > 0 {
			return Allowance{Limit: limit, Remaining: min(remaining, limit), Reset: reset(h.Get(name("reset")), now)}
		}
	}
	return Allowance{}
}

func count(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n >= 0
}

// reset is a duration (6m0s), a number of seconds, or a time.
func reset(s string, now time.Time) time.Duration {
	if d, err := time.ParseDuration(s); err == nil {
		return max(d, 0)
	}
	if at, err := time.Parse(time.RFC3339, s); err == nil {
		return max(at.Sub(now), 0)
	}
	const longest = 31 * 24 * 3600
	if seconds, err := strconv.ParseFloat(s, 64); err == nil && !math.IsNaN(seconds) && seconds > 0 && seconds < longest {
		return time.Duration(seconds * float64(time.Second))
	}
	return 0
}
