package onerun_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/platforms/onerun"
)

func TestTimestamp(t *testing.T) {
	t.Parallel()
	whole := time.Date(2025, 9, 15, 12, 16, 35, 0, time.UTC)
	for _, tt := range []struct {
		name string
		json string
		want time.Time
	}{
		{name: "Naive", json: `"2025-09-15T12:16:35"`, want: whole},
		{name: "NaiveWithFraction", json: `"2025-09-15T12:16:35.123456"`, want: whole.Add(123456 * time.Microsecond)},
		{name: "ShortFraction", json: `"2025-09-15T12:16:35.5"`, want: whole.Add(500 * time.Millisecond)},
		{name: "Nanoseconds", json: `"2025-09-15T12:16:35.123456789"`, want: whole.Add(123456789)},
		{name: "Space", json: `"2025-09-15 12:16:35"`, want: whole},
		{name: "Z", json: `"2025-09-15T12:16:35Z"`, want: whole},
		{name: "ZWithFraction", json: `"2025-09-15T12:16:35.25Z"`, want: whole.Add(250 * time.Millisecond)},
		{name: "Offset", json: `"2025-09-15T14:16:35+02:00"`, want: whole},
		{name: "ShortOffset", json: `"2025-09-15T14:16:35+0200"`, want: whole},
		{name: "NoSeconds", json: `"2025-09-15T12:16"`, want: whole.Truncate(time.Minute)},
		{name: "Day", json: `"2025-09-15"`, want: time.Date(2025, 9, 15, 0, 0, 0, 0, time.UTC)},
		{name: "Null", json: `null`},
		{name: "Empty", json: `""`},
		{name: "Words", json: `"yesterday"`},
		{name: "Number", json: `1757938595`},
		{name: "NoSuchDay", json: `"2025-02-30T00:00:00"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := onerun.Timestamp{Time: time.Unix(1, 0)}
			err := json.Unmarshal([]byte(tt.json), &got)
			require.NoError(t, err)
			require.Equal(t, tt.want, got.Time)
		})
	}
}
