package httpclient_test

import (
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/httpclient"
)

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	const date = "Sat, 20 Sep 2025 09:00:00 GMT"
	for name, c := range map[string]struct {
		after, ms, date string
		want            time.Duration
	}{
		"Nothing":              {},
		"Seconds":              {after: "7", want: 7 * time.Second},
		"Fraction":             {after: " 0.5 ", want: 500 * time.Millisecond},
		"Zero":                 {after: "0"},
		"Negative":             {after: "-5"},
		"Nonsense":             {after: "soon"},
		"NotANumber":           {after: "NaN"},
		"Huge":                 {after: "1e30", want: httpclient.MaxRetryAfter},
		"TooHugeToParse":       {after: "1e999"},
		"Infinite":             {after: "Inf", want: httpclient.MaxRetryAfter},
		"Milliseconds":         {ms: "1500", after: "9", want: 1500 * time.Millisecond},
		"NoMilliseconds":       {ms: "0", after: "9"},
		"MillisecondsNonsense": {ms: "x", after: "9", want: 9 * time.Second},
		"MillisecondsNegative": {ms: "-1", after: "9", want: 9 * time.Second},
		"Date":                 {date: date, after: "Sat, 20 Sep 2025 09:01:30 GMT", want: 90 * time.Second},
		"DateByAnotherClock":   {date: date, after: date},
		"DateInThePast":        {after: date},
		"DateFarAway":          {date: date, after: "Sat, 20 Sep 2125 09:00:00 GMT", want: httpclient.MaxRetryAfter},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			for header, value := range map[string]string{"Retry-After": c.after, "Retry-After-Ms": c.ms, "Date": c.date} {
				if value != "" {
					h.Set(header, value)
				}
			}
			require.Equal(t, c.want, httpclient.RetryAfter(h))
		})
	}
	h := http.Header{"Retry-After": {time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)}}
	require.InDelta(t, time.Hour, httpclient.RetryAfter(h), float64(time.Minute), "our clock, if the server has none")
}

func TestDelay(t *testing.T) {
	t.Parallel()
	for n, want := range map[float64]time.Duration{
		2.5: 2500 * time.Millisecond, 0: 0, -1: 0, math.Inf(1): httpclient.MaxRetryAfter, math.Inf(-1): 0, 1e300: httpclient.MaxRetryAfter,
	} {
		require.Equal(t, want, httpclient.Delay(n, time.Second), "%v", n)
	}
	require.Zero(t, httpclient.Delay(math.NaN(), time.Second))
}
