package endtoend_test

import (
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
)

// A worker that runs until it is idle serves all that is assigned, and ends.
func TestSliceUntilIdle(t *testing.T) {
	t.Parallel()
	r := rig.New(t, localstacktest.Client(t), rig.Options{Setup: sim.Setup{Conversations: 6}})
	p := newProcess(t, r)
	log := p.slice(t, "--until-idle", "2s")
	r.RequireOnce(t)
	require.Len(t, r.Sim.Report().Conversations, 6)
	require.Contains(t, log, "this worker ends: it is idle")
	require.Regexp(t, `what this slice has done.* conversations=6 steps=\d+ open=0 wait_for_operator=0`, log)

	// With nothing to do the next one ends too, after its inbox has polled.
	require.Contains(t, p.slice(t, "--until-idle", "1s"), "conversations=0 steps=0 open=0")
}

// Slices that end in the middle of conversations hand them over: the last one finishes
// them, and nothing is lost or doubled.
func TestSlicesOfConversations(t *testing.T) {
	t.Parallel()
	r := rig.New(t, localstacktest.Client(t), rig.Options{
		Sim:   sim.Config{Player: rig.Endless{}, Latency: sim.Latency{Min: 200 * time.Millisecond, Max: 600 * time.Millisecond}},
		Setup: sim.Setup{Conversations: 4, MaxTurns: 40},
	})
	p := newProcess(t, r)
	log := p.slice(t, "--max-runtime", "5s", "--drain-timeout", "3s")
	require.Contains(t, log, "this worker ends: its maximum runtime is over")
	begun := messages(r)
	require.Positive(t, begun, "the first slice has begun\n%s", log)
	left := openAfter.FindStringSubmatch(log)
	require.NotNil(t, left, log)
	open, err := strconv.Atoi(left[1])
	require.NoError(t, err)
	require.Equal(t, 4, open, "the first slice leaves all of them")

	log = p.slice(t, "--until-idle", "3s", "--max-runtime", "5m")
	require.Contains(t, log, "this worker ends: it is idle")
	r.RequireOnce(t)
	for _, c := range r.Sim.Report().Conversations {
		require.Equal(t, "max_turns_reached", c.EndReason, "conversation %s", c.ID)
		require.Equal(t, c.AgentMessages+1, c.PersonaMessages, "conversation %s: order", c.ID)
	}
}

var openAfter = regexp.MustCompile(`what this slice has done.* open=(\d+)`)

// slice runs the process with these flags until it ends by itself, and returns its log.
func (p *workerProcess) slice(t *testing.T, flags ...string) string {
	t.Helper()
	bin, err := workerBinary()
	require.NoError(t, err)
	p.bin, p.args = bin, append([]string{"--health-addr", ""}, flags...)
	before := len(p.log())
	p.start(t)
	select {
	case <-p.gone:
	case <-time.After(rig.Patience):
		t.Fatalf("the worker does not end:\n%s", p.log())
	}
	code := p.cmd.ProcessState.ExitCode()
	p.cmd = nil
	require.Zero(t, code, p.log())
	return p.log()[before:]
}
