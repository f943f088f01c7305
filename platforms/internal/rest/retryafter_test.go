package rest_test

import (
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/platforms/internal/rest"
)

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	const date = "Sat, 20 Sep 2025 09:00:00 GMT"
	for _, tt := range []struct {
		name   string
		header map[string]string
		want   time.Duration
	}{
		{name: "Unsaid"},
		{name: "Seconds", header: map[string]string{"Retry-After": "7"}, want: 7 * time.Second},
		{name: "Fraction", header: map[string]string{"Retry-After": " 0.5 "}, want: 500 * time.Millisecond},
		{name: "Zero", header: map[string]string{"Retry-After": "0"}},
		{name: "Negative", header: map[string]string{"Retry-After": "-5"}},
		{name: "Nonsense", header: map[string]string{"Retry-After": "soon"}},
		{name: "NotANumber", header: map[string]string{"Retry-After": "NaN"}},
		{name: "Huge", header: map[string]string{"Retry-After": "1e30"}, want: math.MaxInt64},
		{name: "Milliseconds", header: map[string]string{"Retry-After-Ms": "1500", "Retry-After": "9"}, want: 1500 * time.Millisecond},
		{name: "MillisecondsNonsense", header: map[string]string{"Retry-After-Ms": "x", "Retry-After": "9"}, want: 9 * time.Second},
		{name: "Date", header: map[string]string{"Date": date, "Retry-After": "Sat, 20 Sep 2025 09:01:30 GMT"}, want: 90 * time.Second},
		{name: "DateByAnotherClock", header: map[string]string{"Date": date, "Retry-After": date}},
		{name: "DateInThePast", header: map[string]string{"Retry-After": date}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			for name, value := range tt.header {
				h.Set(name, value)
			}
			require.Equal(t, tt.want, (rest.Answer{Header: h}).RetryAfter())
		})
	}
	h := http.Header{"Retry-After": {time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)}}
	require.InDelta(t, time.Hour, (rest.Answer{Header: h}).RetryAfter(), float64(time.Minute), "our clock, where the server shows none")
}
