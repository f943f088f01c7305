package iii

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// However much there is to log, little is written, and one record says what is missing.
func TestLogIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := boundLog(slog.New(slog.NewTextHandler(&out, nil)))
		long := strings.Repeat("é", 1<<20)
		log.With("a", 1).WithGroup("g").Warn("long", "text", long, "error", errors.New(long), "n", 3)
		require.Less(t, out.Len(), 3*maxLogText)
		require.Contains(t, out.String(), "a=1")
		require.Contains(t, out.String(), "g.n=3")
		for range 10 * logsPerMinute {
			log.Warn("skipped")
		}
		require.Equal(t, logsPerMinute, strings.Count(out.String(), "\n"))
		time.Sleep(time.Minute)
		out.Reset()
		log.Warn("goes on")
		require.Equal(t, 2, strings.Count(out.String(), "\n"))
		require.Contains(t, out.String(), "records=2701")
		require.Contains(t, out.String(), "goes on")
	})
}
