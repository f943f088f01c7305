package schedules_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/schedules"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := schedules.Zone(name)
	require.NoError(t, err)
	return z
}

func TestMoment(t *testing.T) {
	t.Parallel()
	berlin, york := zone(t, "Europe/Berlin"), zone(t, "America/New_York")
	// A Saturday; Berlin's clocks go forward at 02:00 of the next day.
	spring := time.Date(2026, 3, 28, 22, 15, 30, 5e8, berlin)
	night := time.Date(2026, 3, 29, 1, 30, 0, 0, berlin)
	// They go back at 03:00 of October 25.
	autumn := time.Date(2026, 10, 24, 12, 0, 0, 0, berlin)
	monday := time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		text string
		now  time.Time
		want string // RFC 3339
	}{
		{"now", spring, "2026-03-28T22:15:30+01:00"},
		{"in 5 seconds", spring, "2026-03-28T22:15:36+01:00"},
		{"in 5 minutes", spring, "2026-03-28T22:20:31+01:00"},
		{"In  2 Hours", spring, "2026-03-29T00:15:31+01:00"},
		{"in an hour", spring, "2026-03-28T23:15:31+01:00"},
		{"in 3 days", spring, "2026-03-31T22:15:31+02:00"},
		{"in 1 week", spring, "2026-04-04T22:15:31+02:00"},
		{"90s", spring, "2026-03-28T22:17:01+01:00"},
		{"in 5m", spring, "2026-03-28T22:20:31+01:00"},
		{"1d", spring, "2026-03-29T22:15:31+02:00"},
		{"in 24h", spring, "2026-03-29T23:15:31+02:00"},
		{"in 1w", spring, "2026-04-04T22:15:31+02:00"},
		{"tomorrow", spring, "2026-03-29T22:15:31+02:00"},
		{"tomorrow at 9am", spring, "2026-03-29T09:00:00+02:00"},
		{"tomorrow at 9 am", spring, "2026-03-29T09:00:00+02:00"},
		{"tomorrow at 9", spring, "2026-03-29T09:00:00+02:00"},
		{"tomorrow at 14:30", spring, "2026-03-29T14:30:00+02:00"},
		{"tomorrow at 12am", spring, "2026-03-29T00:00:00+01:00"},
		{"tomorrow at noon", spring, "2026-03-29T12:00:00+02:00"},
		{"next monday at 9", spring, "2026-03-30T09:00:00+02:00"},
		{"monday at 9:30pm", spring, "2026-03-30T21:30:00+02:00"},
		{"next monday", spring, "2026-03-30T00:00:00+02:00"},
		{"next saturday at 9", spring, "2026-04-04T09:00:00+02:00"},
		{"today at 23:00", spring, "2026-03-28T23:00:00+01:00"},
		{"at 9am", spring, "2026-03-29T09:00:00+02:00"},
		{"2030-01-02 03:04", spring, "2030-01-02T03:04:00+01:00"},
		{"2030-01-02 03:04", spring.In(york), "2030-01-02T03:04:00-05:00"},
		{"2030-07-02t03:04:05", spring, "2030-07-02T03:04:05+02:00"},
		{"2030-01-02", spring, "2030-01-02T00:00:00+01:00"},
		{"2030-01-02T03:04:05Z", spring, "2030-01-02T03:04:05Z"},
		{"2030-01-02T03:04:05.2+05:30", spring, "2030-01-02T03:04:06+05:30"},
		// Across a change of clocks an hour is an hour, a day ends at the same time.
		{"in 1 hour", night, "2026-03-29T03:30:00+02:00"},
		{"in 24 hours", spring, "2026-03-29T23:15:31+02:00"},
		{"in 1 day", spring, "2026-03-29T22:15:31+02:00"},
		// Of two half past twos, the first.
		{"tomorrow at 2:30", autumn, "2026-10-25T02:30:00+02:00"},
		{"2026-10-25 02:30", autumn, "2026-10-25T02:30:00+02:00"},
		{"2026-10-25 03:30", autumn, "2026-10-25T03:30:00+01:00"},
		// On a Monday, the next one is not today.
		{"next monday at 9", monday, "2026-11-09T09:00:00Z"},
		{"monday at 9am", monday, "2026-11-02T09:00:00Z"},
	} {
		t.Run(test.text, func(t *testing.T) {
			t.Parallel()
			got, err := schedules.Moment(test.text, test.now)
			require.NoError(t, err)
			require.Equal(t, test.want, got.Format(time.RFC3339))
		})
	}
}

func TestMomentFaults(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 28, 22, 15, 30, 0, zone(t, "Europe/Berlin"))
	for _, test := range []struct{ text, want string }{
		{"", "the time is empty"},
		{"5 minutes ago", `"5 minutes ago" is Sat 2026-03-28 22:10:30 CET, which is past: it is Sat 2026-03-28 22:15:30 CET`},
		{"yesterday", "which is past"},
		{"today at 9am", "which is past"},
		{"2020-01-02 03:04", "which is past"},
		{"2026-03-28T21:15:30Z", "which is past"},
		{"every 30 seconds", "is recurring: give it with --every"},
		{"hourly", "--every"},
		{"daily at 9am", "--every"},
		{"rubbish", `cannot read the time "rubbish"`},
		{"2", "cannot read the time"},
		{"in 5", "cannot read the time"},
		{"2030-13-02", "cannot read the date"},
		{"2030-02-30 10:00", "cannot read the date"},
		{"03/04/2030 10:00", "cannot read the date"},
		{"2030-01-02 25:00", "cannot read the date"},
		{"tomorrow at 25:00", "no such time of day"},
		{"tomorrow at 13pm", "no such time of day"},
		{"tomorrow at 2:30am", "may not exist"},
		{"2026-03-29 02:30", "may not exist"},
	} {
		t.Run(test.text, func(t *testing.T) {
			t.Parallel()
			_, err := schedules.Moment(test.text, now)
			require.ErrorContains(t, err, test.want)
			require.Equal(t, records.Malformed, records.KindOf(err))
		})
	}
}

func TestPastMoment(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 28, 22, 15, 30, 0, time.UTC)
	for text, want := range map[string]string{
		"yesterday at 9:00": "2026-03-27T09:00:00Z",
		"2 hours ago":       "2026-03-28T20:15:30Z",
		"now":               "2026-03-28T22:15:30Z",
		"2020-01-02":        "2020-01-02T00:00:00Z",
	} {
		got, err := schedules.PastMoment(text, now)
		require.NoError(t, err, text)
		require.Equal(t, want, got.Format(time.RFC3339), text)
	}
}

func TestZone(t *testing.T) {
	t.Parallel()
	require.Equal(t, time.UTC, zone(t, ""))
	for _, name := range []string{"Local", "Mars/Olympus", "berlin"} {
		_, err := schedules.Zone(name)
		require.ErrorContains(t, err, "unknown time zone", name)
	}
}
