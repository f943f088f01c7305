//go:build unix

package program_test

import (
	"bufio"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/program"
	"github.com/parley-run/parley/internal/program/programtest"
)

// serves waits until the program does.
func serves(t *testing.T, p *program.Process) {
	t.Helper()
	_, err := p.Write(t.Context(), []byte("x\n"))
	require.NoError(t, err)
	_, err = bufio.NewReader(p.Stdout).ReadString('\n')
	require.NoError(t, err)
}

// However a program ends, it leaves no process behind, though its child ignores the
// signal.
func TestEndOfTheWholeGroup(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stubborn []string
		end      func(*program.Process)
		want     string
	}{
		"ByItself": {nil, func(p *program.Process) { p.Stop(time.Hour, time.Hour) }, "exit status 0"},
		"Crash":    {nil, func(p *program.Process) { _ = syscall.Kill(p.PID(), syscall.SIGKILL) }, "signal: killed"},
		"Asked":    {nil, func(p *program.Process) { _ = syscall.Kill(p.PID(), syscall.SIGTERM) }, "signal: terminated"},
		"Made":     {[]string{"stubborn"}, func(p *program.Process) { p.Stop(time.Millisecond, time.Millisecond) }, "signal: killed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := programtest.NewRoll(t)
			p, _ := start(t, "family", append([]string{r.Path}, c.stubborn...)...)
			first, second := r.Next(t), r.Next(t)
			serves(t, p)
			c.end(p)
			programtest.Dies(t, first)
			programtest.Dies(t, second)
			require.ErrorContains(t, p.Exit(), "the program ended: "+c.want)
		})
	}
}

// A program that does not end by itself gets SIGTERM.
func TestStopTerminates(t *testing.T) {
	t.Parallel()
	p, _ := start(t, "deaf")
	p.Stop(0, time.Hour)
	require.EqualError(t, p.Exit(), "the program ended: signal: terminated")
}

// Not parallel: it ends the programs of every other test too.
func TestKillAll(t *testing.T) { //nolint:paralleltest // see above
	type family struct {
		p             *program.Process
		first, second net.Conn
	}
	var families []family
	for range 2 {
		r := programtest.NewRoll(t)
		p, _ := start(t, "family", r.Path, "stubborn")
		f := family{p, r.Next(t), r.Next(t)}
		serves(t, p)
		families = append(families, f)
	}
	program.KillAll()
	for _, f := range families {
		programtest.Dies(t, f.first)
		programtest.Dies(t, f.second)
		require.ErrorContains(t, f.p.Exit(), "signal: killed")
	}
}
