package program_test

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/logtest"
	"github.com/parley-run/parley/internal/program"
)

func TestLineLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out logtest.Buffer
		l := program.NewLineLog(slog.New(slog.NewTextHandler(&out, nil)))
		write := func(n int, line string) {
			for range n {
				l.Line(slog.LevelInfo, "it says", func() string { return line }, "pid", 7)
			}
		}
		write(3, "hello")
		write(2, "") // nothing to write
		require.Equal(t, 3, strings.Count(out.String(), "pid=7 line=hello"))

		write(1_000_000, "flood")
		require.Equal(t, program.LogLines, strings.Count(out.String(), "\n"), "one minute's worth")
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Contains(t, out.String(), fmt.Sprintf("lines=%d", 1_000_003-program.LogLines), "it is reported although no line follows")

		out.Reset()
		write(100, strings.Repeat("x", 10<<10))
		require.Less(t, len(out.String()), program.LogBytes+20<<10, "bytes count too")
		l.Close()
		require.Contains(t, out.String(), "lines were left out of the log")
		out.Reset()
		l.Close()
		require.Empty(t, out.String())
	})
}

func TestFlood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var lines, bytes program.Flood
		for range 3 {
			for range program.FloodLines {
				require.NoError(t, lines.Add(1))
			}
			time.Sleep(time.Minute)
		}
		require.NoError(t, bytes.Add(program.FloodBytes))
		require.ErrorContains(t, bytes.Add(1), "more than 64 MiB within a minute")
		for range program.FloodLines {
			require.NoError(t, lines.Add(1))
		}
		require.ErrorContains(t, lines.Add(1), "more than 10000 lines within a minute")
	})
}

// A program that floods its standard error neither fills the log nor blocks, and its
// last lines are known all the same.
func TestFloodOfStandardError(t *testing.T) {
	t.Parallel()
	p, log := start(t, "floods")
	_, err := io.Copy(io.Discard, p.Stdout)
	require.NoError(t, err)
	require.EqualError(t, p.Exit(), "the program ended: exit status 3: my last words")
	require.Less(t, len(log()), 2*program.LogBytes)
	require.Contains(t, log(), "lines were left out of the log")
}
