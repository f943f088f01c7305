package httpclient_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/httpclient"
)

func TestRetryAfterOf(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status  int
		headers string
		want    time.Duration
	}{
		"OpenAI":                 {429, "x-ratelimit-limit-requests: 3, x-ratelimit-remaining-requests: 0, x-ratelimit-reset-requests: 6m0s, x-ratelimit-remaining-tokens: 29000, x-ratelimit-reset-tokens: 20ms", 6 * time.Minute},
		"OpenAITokens":           {429, "x-ratelimit-limit-requests: 500, x-ratelimit-remaining-requests: 499, x-ratelimit-reset-requests: 6m0s, x-ratelimit-limit-tokens: 30000, x-ratelimit-remaining-tokens: 500, x-ratelimit-reset-tokens: 1s", time.Second},
		"BothUsedUp":             {429, "x-ratelimit-remaining-requests: 0, x-ratelimit-reset-requests: 1s, x-ratelimit-remaining-tokens: 0, x-ratelimit-reset-tokens: 6m0s", 6 * time.Minute},
		"RetryAfterBefore":       {429, "retry-after: 7, x-ratelimit-remaining-requests: 0, x-ratelimit-reset-requests: 6m0s", 7 * time.Second},
		"RetryAfterOfNothing":    {429, "retry-after: 0, x-ratelimit-remaining-requests: 0, x-ratelimit-reset-requests: 9s", 9 * time.Second},
		"RetryAfterNonsense":     {429, "retry-after: soon, x-ratelimit-reset: 9", 9 * time.Second},
		"UsedUpUnderAnyStatus":   {403, "x-ratelimit-remaining: 0, x-ratelimit-reset: 1795867260", time.Minute},
		"WithoutStatus":          {0, "x-ratelimit-remaining: 0, x-ratelimit-reset: 1795867260", time.Minute},
		"SomeIsLeft":             {500, "x-ratelimit-remaining-tokens: 29000, x-ratelimit-reset-tokens: 34ms, x-ratelimit-remaining-requests: 2, x-ratelimit-reset-requests: 6m0s", 0},
		"LeftIsNotSaid":          {500, "x-ratelimit-reset: 60", 0},
		"LeftIsNotSaidUnder429":  {429, "x-ratelimit-reset: 60", time.Minute},
		"EpochMilliseconds":      {429, "x-ratelimit-limit: 50, x-ratelimit-remaining: 0, x-ratelimit-reset: 1795867260000", time.Minute},
		"EpochPast":              {429, "x-ratelimit-reset: 1700000000", 0},
		"Anthropic":              {429, "anthropic-ratelimit-requests-remaining: 0, anthropic-ratelimit-requests-reset: 2026-11-28T12:00:30Z, anthropic-ratelimit-tokens-remaining: 1000, anthropic-ratelimit-tokens-reset: 2026-11-28T12:20:00Z", 30 * time.Second},
		"AnthropicInputTokens":   {429, "anthropic-ratelimit-input-tokens-limit: 80000, anthropic-ratelimit-input-tokens-remaining: 0, anthropic-ratelimit-input-tokens-reset: 2026-11-28T12:00:45Z", 45 * time.Second},
		"Draft":                  {429, "ratelimit-limit: 100, ratelimit-remaining: 0, ratelimit-reset: 50", 50 * time.Second},
		"DraftInOne":             {429, "ratelimit: limit=100; remaining=0; reset=50", 50 * time.Second},
		"DraftStructured":        {429, `ratelimit: "default";r=0;t=50`, 50 * time.Second},
		"DraftSomeIsLeft":        {503, `ratelimit: "default";r=5;t=50`, 0},
		"Discord":                {429, "x-ratelimit-remaining: 0, x-ratelimit-reset-after: 1.5", 1500 * time.Millisecond},
		"Dashes":                 {429, "x-rate-limit-remaining: 0, x-rate-limit-reset: 1795867260", time.Minute},
		"PerDayAndMinute":        {429, "x-ratelimit-limit-requests-day: 1000, x-ratelimit-remaining-requests-day: 900, x-ratelimit-reset-requests-day: 43200, x-ratelimit-limit-tokens-minute: 1000, x-ratelimit-remaining-tokens-minute: 3, x-ratelimit-reset-tokens-minute: 11.5", 11500 * time.Millisecond},
		"Negative":               {429, "x-ratelimit-remaining: -5, x-ratelimit-reset: -60", 0},
		"NegativeLeft":           {429, "x-ratelimit-remaining: -5, x-ratelimit-reset: 60", time.Minute},
		"Huge":                   {429, "x-ratelimit-reset: 99999999999999999999", httpclient.MaxRetryAfter},
		"AzureMilliseconds":      {429, "x-ms-retry-after-ms: 250", 250 * time.Millisecond},
		"RetryAfterEpoch":        {429, "retry-after: 1795867260", time.Minute},
		"RetryAfterEpochMs":      {429, "retry-after: 1795867260000", time.Minute},
		"RetryAfterRFC3339":      {429, "retry-after: 2026-11-28T12:01:00Z", time.Minute},
		"RetryAfterDuration":     {503, "retry-after: 1m30s", 90 * time.Second},
		"RetryAfterISO":          {503, "retry-after: PT1M30S", 90 * time.Second},
		"RetryAfterWords":        {503, "retry-after: 2 minutes", 2 * time.Minute},
		"RateLimitPolicyIsNone":  {429, "ratelimit-policy: 100;w=60", 0},
		"NothingAtAll":           {429, "", 0},
		"OtherResetsAreNoLimits": {429, "x-reset: 60", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{"Date": {"Sat, 28 Nov 2026 12:00:00 GMT"}}
			for _, pair := range strings.Split(c.headers, ", ") {
				if name, value, ok := strings.Cut(pair, ": "); ok {
					h.Set(name, value)
				}
			}
			require.Equal(t, c.want, httpclient.RetryAfterOf(c.status, h))
		})
	}
}
