package build

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A clock set by tests.
type clock struct{ t time.Time }

func newClock() *clock { return &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) now() time.Time { return c.t }

func (c *clock) pass(d time.Duration) { c.t = c.t.Add(d) }

func TestNewsOfABuild(t *testing.T) {
	t.Parallel()
	c := newClock()
	var got []string
	n := newNews("it", func(p Progress) { got = append(got, p.String()+" "+p.Elapsed.String()) }, c.now)
	say := func(f func(string), line string) {
		c.pass(10 * time.Second)
		f(line)
	}

	say(n.downloading, "go: downloading go.temporal.io/server v1.30.4")
	say(n.downloading, "go: finding something else")
	n.compiling(3, "the/program")
	say(n.compiled, "internal/goarch")
	say(n.compiled, "go.temporal.io/server/common")
	say(n.compiled, "# some.cgo/package")
	say(n.compiled, "ld: warning: nothing to worry about")
	say(n.compiled, "the/program")
	require.Equal(t, []string{
		"downloading go.temporal.io/server v1.30.4 for it 10s",
		"compiling it · 0/3 packages · checking the build cache 20s",
		"compiling it · 1/3 packages · internal/goarch 30s",
		"compiling it · 2/3 packages · go.temporal.io/server/common 40s",
		"linking it 1m10s",
	}, got)
}

func TestLines(t *testing.T) {
	t.Parallel()
	c := newClock()
	var out strings.Builder
	tell := Lines(&out, 5*time.Second, c.now)
	for i := range 12 {
		tell(Progress{Step: StepCompile, Program: "it", Done: i, Total: 12, Detail: "p", Elapsed: time.Duration(i) * time.Second})
		c.pass(time.Second)
	}
	tell(Progress{Step: StepBuilt, Program: "it", Elapsed: 12300 * time.Millisecond})
	require.Equal(t, `compiling it · 0/12 packages · p
compiling it · 5/12 packages · p (5s)
compiling it · 10/12 packages · p (10s)
it built in 12s
`, out.String())
}

func TestPruneKeepsTheNewest(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), time.Now()
	for name, age := range map[string]time.Duration{
		"devserver-a": 5 * time.Hour, "devserver-b": time.Hour, "devserver-c": 2 * time.Hour, "devserver-d": 3 * time.Hour,
		"building-1": time.Hour, "building-2": 48 * time.Hour, "build.lock": 1000 * time.Hour, "other": 1000 * time.Hour,
	} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, nil, 0o644))
		require.NoError(t, os.Chtimes(path, now.Add(-age), now.Add(-age)))
	}
	prune(dir, now)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	require.Equal(t, []string{"build.lock", "building-1", "devserver-b", "devserver-c", "devserver-d", "other"}, names)
}

func TestLockTellsThatItWaits(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "build.lock")
	unlock, err := lock(t.Context(), path, func(Progress) { t.Error("the lock is free") })
	require.NoError(t, err)

	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("waited enough")
	_, err = lock(ctx, path, func(p Progress) {
		if p.Step == StepWait {
			cancel(enough)
		}
	})
	require.ErrorIs(t, err, enough)

	// A released lock goes to the waiter.
	_, err = lock(t.Context(), path, func(Progress) {
		if unlock != nil {
			unlock()
			unlock = nil
		}
	})
	require.NoError(t, err)
}
