package limit_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/executors/limit"
)

func TestParseHeaders(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, c := range map[string]struct {
		headers map[string]string
		want    limit.RateReport
	}{
		"None": {},
		"OpenAI": {
			map[string]string{
				"x-ratelimit-limit-requests": "500", "x-ratelimit-remaining-requests": "499", "x-ratelimit-reset-requests": "120ms",
				"x-ratelimit-limit-tokens": "200000", "x-ratelimit-remaining-tokens": "149984", "x-ratelimit-reset-tokens": "6m0s",
			},
			limit.RateReport{
				Requests: limit.Allowance{Limit: 500, Remaining: 499, Reset: 120 * time.Millisecond},
				Tokens:   limit.Allowance{Limit: 200000, Remaining: 149984, Reset: 6 * time.Minute},
			},
		},
		"Anthropic": {
			map[string]string{
				"anthropic-ratelimit-requests-limit": "50", "anthropic-ratelimit-requests-remaining": "0",
				"anthropic-ratelimit-requests-reset": "2026-01-02T03:04:35Z",
				"anthropic-ratelimit-tokens-limit":   "80000", "anthropic-ratelimit-tokens-remaining": "1000",
				"anthropic-ratelimit-tokens-reset": "2026-01-02T03:04:00Z",
			},
			limit.RateReport{
				Requests: limit.Allowance{Limit: 50, Reset: 30 * time.Second},
				Tokens:   limit.Allowance{Limit: 80000, Remaining: 1000},
			},
		},
		"SecondsAndNonsense": {
			map[string]string{
				"x-ratelimit-limit-requests": "30", "x-ratelimit-remaining-requests": "40", "x-ratelimit-reset-requests": "1.5",
				"x-ratelimit-limit-tokens": "unlimited", "x-ratelimit-remaining-tokens": "-1",
			},
			limit.RateReport{Requests: limit.Allowance{Limit: 30, Remaining: 30, Reset: 1500 * time.Millisecond}},
		},
		"LimitAlone": {headers: map[string]string{"x-ratelimit-limit-requests": "30"}},
		"LimitOfNothing": {headers: map[string]string{
			"x-ratelimit-limit-requests": "0", "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "NaN",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			for k, v := range c.headers {
				h.Set(k, v)
			}
			require.Equal(t, c.want, limit.ParseHeaders(h, now))
		})
	}
}
