package demo

import (
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

func TestConsoleOnATerminalRedrawsOneLine(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	c := &console{out: &out, terminal: true, width: func() int { return 20 }, now: newClock().now}
	c.Print("hello")
	c.Status("one")
	c.Status("one") // no change: nothing is drawn
	c.Status("two, which is much too long for this terminal")
	c.Print("between")
	_, err := c.Write([]byte("half a line"))
	require.NoError(t, err)
	_, err = c.Write([]byte(" of a log\nand half another"))
	require.NoError(t, err)
	c.Done("Thing", "is up")
	c.Status("")

	const erase = "\r\x1b[K"
	require.Equal(t, "hello\n"+
		"  one"+erase+"  two, which is mu…"+
		erase+"between\n"+"  two, which is mu…"+
		erase+"half a line of a log\n"+"  two, which is mu…"+
		erase+"  ✓ Thing      is up\n", out.String())
}

func TestConsoleElsewhereWritesNowAndThen(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	clock := newClock()
	c := newConsole(&out)
	c.now = clock.now
	for range 12 {
		c.Status("conversations ━━ 1/8")
		clock.pass(time.Second)
	}
	c.Status("starting the worker")
	c.Status("")
	c.Mute()
	_, err := c.Write([]byte("of no interest any more\n"))
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("  conversations ━━ 1/8\n", 3)+"  starting the worker\n", out.String())
}

func TestBar(t *testing.T) {
	t.Parallel()
	require.Equal(t, strings.Repeat("─", barWidth), bar(0, 8))
	require.Equal(t, strings.Repeat("━", barWidth/2)+strings.Repeat("─", barWidth/2), bar(4, 8))
	require.Equal(t, strings.Repeat("━", barWidth), bar(9, 8))
	require.Equal(t, strings.Repeat("─", barWidth), bar(0, 0))
}
