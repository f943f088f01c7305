package duration_test

import (
	"flag"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/duration"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "5m": 5 * time.Minute, "1h30m": 90 * time.Minute, "0": 0, "0s": 0, "500ms": 500 * time.Millisecond,
		"1d": 24 * time.Hour, "1w": 168 * time.Hour, "1w2d12h": (168 + 48 + 12) * time.Hour, "1.5d": 36 * time.Hour, "-2d": -48 * time.Hour,
		" 1d ": 24 * time.Hour, "9007199254740993ns": 9007199254740993,
	} {
		got, err := duration.Parse(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for text, why := range map[string]string{
		"": "no duration", "5": "write 5s, 5m", "d": "no duration", "1y": "no duration", "1d 2h": "no duration", "99999999999999w": "too long",
		"in 5m": "no duration", "1e3s": "no duration",
	} {
		_, err := duration.Parse(text)
		require.ErrorContains(t, err, why, text)
	}
}

func TestFlag(t *testing.T) {
	t.Parallel()
	var of, by time.Duration
	set := flag.NewFlagSet("x", flag.ContinueOnError)
	set.Var(duration.NewFlag(&of, time.Minute), "of", "")
	require.Equal(t, time.Minute, of)
	require.NoError(t, set.Parse([]string{"--of", "1w"}))
	require.Equal(t, 7*24*time.Hour, of)

	more := pflag.NewFlagSet("x", pflag.ContinueOnError)
	more.Var(duration.NewFlag(&by, 0), "by", "so long")
	require.NoError(t, more.Parse([]string{"--by=2d"}))
	require.Equal(t, 48*time.Hour, by)
	require.ErrorContains(t, more.Parse([]string{"--by=5"}), "5s, 5m")
	require.NotContains(t, pflag.NewFlagSet("y", pflag.ContinueOnError).FlagUsages(), "0s")
}
