package modeltest

import (
	"net/http"
	"testing"
	"time"

	"github.com/parley-run/parley/conversation"
)

// waits are delays that a response asks for in its headers, its body's fields or in words.
// The longest counts.
func (v Vendor) waits(t *testing.T) {
	h := func(pairs ...string) http.Header {
		header := http.Header{"Content-Type": {"application/json"}, "Date": {"Sat, 28 Nov 2026 12:00:00 GMT"}}
		for i := 0; i < len(pairs); i += 2 {
			header.Set(pairs[i], pairs[i+1])
		}
		return header
	}
	said := func(text string) string { return `{"error":{"message":"` + text + `"}}` }
	for name, c := range map[string]struct {
		status int
		header http.Header
		body   string
		kind   conversation.Kind
		after  time.Duration
	}{
		"Duration":          {429, h("Retry-After", "1m30s"), "{}", limited, 90 * time.Second},
		"ISODuration":       {429, h("Retry-After", "PT1M30S"), "{}", limited, 90 * time.Second},
		"RFC3339":           {429, h("Retry-After", "2026-11-28T12:01:00Z"), "{}", limited, time.Minute},
		"RFC850":            {503, h("Retry-After", "Saturday, 28-Nov-26 12:01:00 GMT"), "", down, time.Minute},
		"Asctime":           {503, h("Retry-After", "Sat Nov 28 12:01:00 2026"), "", down, time.Minute},
		"EpochSeconds":      {429, h("Retry-After", "1795867260"), "{}", limited, time.Minute},
		"EpochMilliseconds": {429, h("Retry-After", "1795867260000"), "{}", limited, time.Minute},
		"ResetRequests":     {429, h("x-ratelimit-remaining-requests", "0", "x-ratelimit-reset-requests", "6m0s"), "{}", limited, 6 * time.Minute},
		"ResetTokens":       {429, h("x-ratelimit-remaining-tokens", "0", "x-ratelimit-reset-tokens", "20ms"), "{}", limited, 20 * time.Millisecond},
		"ResetEpoch":        {429, h("x-ratelimit-reset", "1795867260"), "{}", limited, time.Minute},
		"ResetAnthropic":    {429, h("anthropic-ratelimit-tokens-remaining", "0", "anthropic-ratelimit-tokens-reset", "2026-11-28T12:00:30Z"), "{}", limited, 30 * time.Second},
		"ResetDraft":        {429, h("ratelimit-remaining", "0", "ratelimit-reset", "50"), "{}", limited, 50 * time.Second},
		"ResetOfAGoodLimit": {500, h("x-ratelimit-remaining-tokens", "900", "x-ratelimit-reset-tokens", "6m0s"), "{}", down, 0},
		"Words":             {429, h(), said("Rate limit reached. Please try again in 6.2s."), limited, 6200 * time.Millisecond},
		"WordsMinutes":      {429, h(), said("Too many requests, please wait 20 minutes"), limited, 20 * time.Minute},
		"WordsHour":         {429, h(), said("Too many requests, try again in 1 hour"), limited, time.Hour},
		"WordsLonger":       {429, h("Retry-After", "1"), said("Too many requests. Please try again in 30s"), limited, 30 * time.Second},
		"HeaderLonger":      {429, h("Retry-After", "40"), said("Too many requests. Please try again in 30s"), limited, 40 * time.Second},
		"WordsNone":         {429, h(), said("Too many requests, try again later"), limited, 0},
		"WordsNegative":     {429, h(), said("Too many requests, try again in -5 seconds"), limited, 0},
		"WordsHuge":         {503, h(), said("overloaded, retry after 99999999999999999999 seconds"), down, 7 * 24 * time.Hour},
		"Field":             {429, h(), `{"error":{"message":"slow down","retry_after":12.5}}`, limited, 12500 * time.Millisecond},
		"FieldMilliseconds": {429, h(), `{"error":{"message":"slow down"},"retry_after_ms":250}`, limited, 250 * time.Millisecond},
		"RetryInfo":         {429, h(), `{"error":{"message":"slow down","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.5s"}]}}`, limited, 34500 * time.Millisecond},
		"Plain":             {429, http.Header{"Content-Type": {"text/plain"}}, "Too many requests. Retry after 7 seconds.", limited, 7 * time.Second},
	} {
		v.Rejects(t, "Wait"+name, Response{Status: c.status, Header: c.header, Body: c.body, Kind: c.kind, After: c.after})
	}
}
