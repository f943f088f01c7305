package onerun

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// listings counts how often a simulation is listed while it is asked about every two
// seconds.
func listings(p *pace, from time.Time, lasts time.Duration, many bool, queued int, fault error) (n int) {
	for now := from; now.Before(from.Add(lasts)); now = now.Add(2 * time.Second) {
		if ok, _ := p.due("s", many, now); ok {
			n++
			p.note("s", queued, fault, now)
		}
	}
	return n
}

func TestPace(t *testing.T) {
	t.Parallel()
	begun := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var few, idle, busy, broken pace
	require.Equal(t, 300, listings(&few, begun, 10*time.Minute, false, 0, nil), "few simulations are listed each time")
	require.Equal(t, 300, listings(&busy, begun, 10*time.Minute, true, 3, nil), "where something is queued, there may be more")

	listings(&idle, begun, 10*time.Minute, true, 0, nil)
	quiet := begun.Add(10 * time.Minute)
	require.LessOrEqual(t, listings(&idle, quiet, time.Minute, true, 0, nil), 6, "an idle one every ten seconds or so")
	idle.note("s", 1, nil, quiet.Add(time.Minute))
	next := quiet.Add(time.Minute)
	require.LessOrEqual(t, listings(&idle, next.Add(2*time.Second), 50*time.Second, true, 0, nil), 9)
	require.Equal(t, 10, listings(&idle, next.Add(56*time.Second), 19*time.Second, true, 0, nil), "OneRun makes more after a minute")

	fault := errors.New("422")
	require.Less(t, listings(&broken, begun, 10*time.Minute, false, 0, fault), 30)
	_, reported := broken.due("s", false, begun.Add(10*time.Minute))
	require.Equal(t, fault, reported, "its fault is reported all the while")
	broken.note("s", 0, nil, begun.Add(10*time.Minute))
	ok, reported := broken.due("s", false, begun.Add(10*time.Minute+2*time.Second))
	require.True(t, ok)
	require.NoError(t, reported)
}
