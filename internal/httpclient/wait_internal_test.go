package httpclient

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const none = time.Duration(-1)

var waitNow = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC) // 1795867200

func TestValue(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]time.Duration{
		"7": 7 * time.Second, " 0.5 ": 500 * time.Millisecond, "0": 0, "-5": none, "-0.1": none, "": none, "soon": none, "NaN": none, "1e30": MaxRetryAfter,
		"Inf": MaxRetryAfter, "-Inf": none, "+30": 30 * time.Second, "120, 120": 2 * time.Minute, "30;comment=x": 30 * time.Second, `"45"`: 45 * time.Second,
		"99999999999999999999": MaxRetryAfter, "1e300": MaxRetryAfter, "1e999": none, "0x10": none,
		// times since 1970
		"1795867260": time.Minute, "1795867260.5": 60*time.Second + 500*time.Millisecond, "1795867260000": time.Minute, "1795867260000000": time.Minute,
		"1795867260000000000": time.Minute, "1795867200": 0, "1700000000": 0, "1700000000000": 0, "4000000000": MaxRetryAfter,
		// dates
		"Sat, 28 Nov 2026 12:01:30 GMT": 90 * time.Second, "Saturday, 28-Nov-26 12:01:30 GMT": 90 * time.Second, "Sat Nov 28 12:01:30 2026": 90 * time.Second,
		"Sat, 28 Nov 2026 13:01:30 +0100": 90 * time.Second, "Sat, 28 Nov 2026 12:01:30 UTC": 90 * time.Second, "Wed, 21 Oct 2015 07:28:00 GMT": 0,
		"Tue, 1 Dec 2026 12:00:00 GMT": 72 * time.Hour, "Sat, 28 Nov 2099 12:00:00 GMT": MaxRetryAfter,
		"2026-11-28T12:00:30Z": 30 * time.Second, "2026-11-28T12:00:30.250Z": 30*time.Second + 250*time.Millisecond, "2026-11-28T13:00:30+01:00": 30 * time.Second,
		"2026-11-28 12:00:30": 30 * time.Second, "2026-11-28 12:00:30 UTC": 30 * time.Second, "2026-11-28T12:00:30": 30 * time.Second, "2026-11-29": 12 * time.Hour,
		"2026-11-28 13:00:30 +0100": 30 * time.Second, "2026-11-28t12:00:30z": 30 * time.Second,
		// durations
		"6m0s": 6 * time.Minute, "1s": time.Second, "20ms": 20 * time.Millisecond, "34.5s": 34500 * time.Millisecond, "1h30m": 90 * time.Minute, "2 days": 48 * time.Hour,
		"90 sec": 90 * time.Second, "1h 2m 3s": time.Hour + 2*time.Minute + 3*time.Second, "2 days, 3 hours": 51 * time.Hour, "1 hour and 5 minutes": 65 * time.Minute,
		"250us": 250 * time.Microsecond, "1.5 hours": 90 * time.Minute, "1,800 seconds": 30 * time.Minute, "17m16.8s": 17*time.Minute + 16800*time.Millisecond,
		"1000 weeks": MaxRetryAfter, "60 Seconds": time.Minute, "5 minutes.": 5 * time.Minute, ".5s": 500 * time.Millisecond, "1d2h": 26 * time.Hour, "5 parsecs": none,
		"PT1M30S": 90 * time.Second, "PT0.5S": 500 * time.Millisecond, "P1D": 24 * time.Hour, "P1DT12H": 36 * time.Hour, "P1W": MaxRetryAfter, "pt20s": 20 * time.Second, "P": none, "PT": none,
		"00:01:30": 90 * time.Second, "00:00:30.5": 30500 * time.Millisecond, "1.02:00:00": 26 * time.Hour, "99:00:00": 99 * time.Hour,
		"-1h": none, "12 apples": none, "30 seconds ago": none, strings.Repeat("9", 200): none,
	} {
		d, ok := Value(in, time.Second, waitNow)
		if !ok {
			d = none
		}
		t.Run(in, func(t *testing.T) { require.Equal(t, want, d) })
	}
	d, ok := Value("1500", time.Millisecond, waitNow)
	require.True(t, ok)
	require.Equal(t, 1500*time.Millisecond, d)
	d, _ = Value("1795867260000", time.Millisecond, waitNow)
	require.Equal(t, time.Minute, d)
	d, _ = Value("2s", time.Millisecond, waitNow)
	require.Equal(t, 2*time.Second, d, "a value with a unit has its own")
}

func TestWait(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]time.Duration{
		"Please try again in 8h32m": 8*time.Hour + 32*time.Minute,
		"Rate limit reached for gpt-4o in organization org-1 on tokens per min (TPM): Limit 30000, Used 29000, Requested 5000. Please try again in 6.2s. Visit https://x to learn more.": 6200 * time.Millisecond,
		"Limit 3, Used 3, Requested 1. Please try again in 20s.": 20 * time.Second,
		"Please try again in 577ms.":                             577 * time.Millisecond,
		"Please try again in 7m12.48s. Need more tokens?":        7*time.Minute + 12480*time.Millisecond,
		"Requests have exceeded token rate limit of your current OpenAI S0 pricing tier. Please retry after 86400 seconds.": 24 * time.Hour,
		"Please retry after 4 seconds. Please go here":                    4 * time.Second,
		"Please retry after 60.":                                          time.Minute,
		"You exceeded your current quota. Please retry in 34.074824224s.": 34074824223, // of a float64
		"No deployments available for selected model, Try again in 60 seconds. Passed model=x. cooldown_list=[]": time.Minute,
		"Too many requests, please wait 20 minutes before trying again":                                          20 * time.Minute,
		"Please wait for 30 seconds":                   30 * time.Second,
		"please wait at least 2 minutes and try again": 2 * time.Minute,
		"please wait another 15s":                      15 * time.Second,
		"in 1 hour":                                    time.Hour,
		"try again in 1 hour":                          time.Hour,
		"Try again in about an hour":                   time.Hour,
		"try again in a minute":                        time.Minute,
		"try again in half an hour":                    30 * time.Minute,
		"try again in 2-3 minutes":                     3 * time.Minute,
		"resets at 2026-11-29T00:00:00Z":               12 * time.Hour,
		"The quota resets on 2026-11-29 at 00:00 UTC.": 12 * time.Hour,
		"You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.": 60 * time.Hour,
		"Usage limit reached for 5 hour. Your limit will reset at 2026-11-28 14:30:00":                         150 * time.Minute,
		"Your quota will reset after 5h23m10s.":                                                                5*time.Hour + 23*time.Minute + 10*time.Second,
		"limit resets in 45 minutes":                                                                           45 * time.Minute,
		"Claude AI usage limit reached|1795867260":                                                             time.Minute,
		"Limit exceeded. Reset: 1795867260000":                                                                 time.Minute,
		"blocked until 2026-11-28 12:10:00 UTC":                                                                10 * time.Minute,
		"you are blocked for 10 minutes":                                                                       10 * time.Minute,
		"cooldown: 30s":                                                                                        30 * time.Second,
		"Retry-After: Sat, 28 Nov 2026 12:01:30 GMT":                                                           90 * time.Second,
		"retry after: 3.0s":                                                                                    3 * time.Second,
		"rate limited, retry-after 12":                                                                         12 * time.Second,
		`{"message":"slow down","retry_after": 0.64,"global":false}`:                                           640 * time.Millisecond,
		`{"retry_after_ms":1500}`:                                                                              1500 * time.Millisecond,
		`{\"retry_after_seconds\": 90}`:                                                                        90 * time.Second,
		`{"retryDelay": "34s"}`:                                                                                34 * time.Second,
		"retry in PT1M30S":                                                                                     90 * time.Second,
		"You can retry your request after 00:05:00":                                                            5 * time.Minute,
		"try your request again in 10 sec":                                                                     10 * time.Second,
		"Try again after 30 secs, thanks":                                                                      30 * time.Second,
		"service overloaded; retrying in 5s":                                                                   5 * time.Second,
		"the model will be available in 3 minutes":                                                             3 * time.Minute,
		"After 30 seconds, please try again":                                                                   30 * time.Second,
		"In 2 minutes you can try once more":                                                                   2 * time.Minute,
		"2 days":                                                                                               48 * time.Hour,
		"2026-11-29T00:00:00Z":                                                                                 12 * time.Hour,
		"34.5s":                                                                                                34500 * time.Millisecond,
		"请求过于频繁，请在 30 秒后重试":                                                                                    30 * time.Second,
		"请60秒之后再试":                                                                                             time.Minute,
		"retry after 99999999999999999999999 seconds":                                                          MaxRetryAfter,
		"retry after 1000000 hours":                                                                            MaxRetryAfter,
		"retry after 0 seconds":                                                                                0,
		"try again at 2015-01-01T00:00:00Z":                                                                    0,
		"Please retry in 2s. The monthly quota resets at 2026-12-01T00:00:00Z":                                 2 * time.Second,

		"try again tomorrow":                             none,
		"try again later":                                none,
		"try again in a few minutes":                     none,
		"try again in -5 seconds":                        none,
		"please wait before trying again":                none,
		"Limit is 5 requests per 24 hours":               none,
		"5 requests in 24 hours, please try again later": none,
		"5 requests in 24 hours. Try again":              none,
		"timed out after 30s":                            none,
		"Timed out waiting 30s for a slot":               none,
		"retry after 5 attempts":                         none,
		"the tool took 3 days":                           none,
		"429":                                            none,
		"1795867260":                                     none,
		"":                                               none,
		"wait":                                           none,
		"max_tokens must be at most 4096":                none,
		"This model's maximum context length is 8192 tokens, your messages resulted in 9000 tokens": none,
		"decrease input length or `max_tokens` and try again":                                       none,
	} {
		d, ok := waitAt(in, waitNow)
		if !ok {
			d = none
		}
		t.Run(in, func(t *testing.T) { require.Equal(t, want, d) })
	}
	require.Equal(t, 8*time.Hour, WaitOf(time.Second, "try again in 8h"), "the longer one")
	require.Equal(t, time.Minute, WaitOf(time.Minute, "try again in 8s"))
	require.Equal(t, time.Minute, WaitOf(time.Minute, "try again later"))
}

func FuzzWait(f *testing.F) {
	for _, s := range []string{
		"Please try again in 8h32m", "retry after 86400 seconds", "PT1M30S", "resets at 2026-11-29T00:00:00Z", "1795867260000", "Sat, 28 Nov 2026 12:01:30 GMT",
		`{"retry_after_ms":1500}`, "1.02:00:00", "请在30秒后重试", "In 2 minutes you can try", "İ5s", "limit reached|1795867260", "1e308 weeks", "\xff1h",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, read := range []func() (time.Duration, bool){
			func() (time.Duration, bool) { return waitAt(s, waitNow) },
			func() (time.Duration, bool) { return waitAt("try again in "+s, waitNow) },
			func() (time.Duration, bool) { return Value(s, time.Second, waitNow) },
			func() (time.Duration, bool) { return Value(s, time.Millisecond, waitNow) },
		} {
			d, ok := read()
			require.GreaterOrEqual(t, d, time.Duration(0))
			require.LessOrEqual(t, d, MaxRetryAfter)
			require.True(t, ok || d == 0)
		}
	})
}
