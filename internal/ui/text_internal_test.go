package ui

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPrettyKeepsWhatTheJSONMeans(t *testing.T) {
	t.Parallel()
	require.Equal(t, "{\n  \"a\": \"<b>&\",\n  \"b\": \"\\\\u003c\",\n  \"a\": 100000000000000000001\n}",
		pretty(json.RawMessage(`{"a":"\u003cb\u003e\u0026","b":"\\u003c","a":100000000000000000001}`)))
	require.Equal(t, "not JSON‹U+202E›", pretty(json.RawMessage("not JSON\u202e")))
}

func TestFormats(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0 s", time.Microsecond: "1 ms", 40 * time.Millisecond: "40 ms", 1500 * time.Millisecond: "1.5 s", 59600 * time.Millisecond: "60 s",
		61 * time.Second: "1 min 01 s", 90 * time.Minute: "1 h 30 min", 50 * time.Hour: "2 d 2 h",
	} {
		require.Equal(t, want, span(d))
	}
	require.Equal(t, "12\u202f345\u202f678", number(12345678))
	require.Equal(t, "-1\u202f234", number(-1234))
	for amount, want := range map[float64]string{0: "", 12.345: "12.35 EUR", 0.5: "0.500 EUR", 0.0125: "0.0125 EUR"} {
		require.Equal(t, want, money(amount, "EUR"))
	}
}
