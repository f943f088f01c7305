package pulse

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// The server's clock is years ahead, and its Date header up to two seconds late.
func TestServerClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newServerClock()
		const ahead = 5 * 365 * 24 * time.Hour
		server := func() time.Time { return time.Now().Add(ahead) }
		time.Sleep(700 * time.Millisecond)
		c.saw(server().Add(-1700 * time.Millisecond))
		at := server().Add(10 * time.Second)
		least, most := c.until(at)
		require.Equal(t, 11700*time.Millisecond, most, "as late as that")
		require.Equal(t, 9700*time.Millisecond, least, "and two seconds earlier at best")

		time.Sleep(time.Second)
		c.saw(server().Add(-200 * time.Millisecond))
		least, most = c.until(at)
		require.Equal(t, 9200*time.Millisecond, most)
		c.saw(server().Add(-1900 * time.Millisecond))
		_, again := c.until(at)
		require.Equal(t, most, again, "a worse header teaches nothing")
		require.Equal(t, 7200*time.Millisecond, least)

		c.notYet(server().Add(50*time.Millisecond), c.elapsed())
		least, _ = c.until(at)
		require.Equal(t, 8950*time.Millisecond, least, "a poll said that it was not that late")

		time.Sleep(5 * time.Minute) // clocks drift: old bounds are forgotten
		c.saw(server().Add(-time.Second))
		_, most = c.until(at)
		c.saw(server().Add(-1500 * time.Millisecond))
		_, again = c.until(at)
		require.Equal(t, most, again)

		before := c.now()
		c.saw(before.Add(-5 * time.Second))
		require.Equal(t, before, c.now(), "answers may overtake each other")
		c.saw(before.Add(-time.Hour))
		require.Equal(t, before.Add(-time.Hour), c.now(), "the server's clock was set")
	})
}
