// Package child runs programs that must not outlive this one, nor be reached by
// its terminal's Ctrl-C before it.
package child

import (
	"os/exec"
	"runtime"
	"time"

	"github.com/parley-run/parley/internal/program/group"
)

// waitDelay is how long output of a program that has ended is waited for.
const waitDelay = 2 * time.Second

// A Process is a running program in a process group of its own.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // to be read after done
}

// Start starts a command. On Linux it is killed when this process dies.
func Start(cmd *exec.Cmd) (*Process, error) {
	group.Own(cmd)
	cmd.WaitDelay = waitDelay
	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// The kernel's death signal goes out when the thread ends that started the
		// child, not the process: the thread must stay.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		started <- nil
		p.err = cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// Done is closed when the program has ended and its output has been read.
func (p *Process) Done() <-chan struct{} { return p.done }

// Ended reports whether the program has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Err says how the program ended. It waits for that.
func (p *Process) Err() error {
	<-p.done
	return p.err
}

// Stop asks the group to end, makes it after grace, and returns when the program
// is gone.
func (p *Process) Stop(grace time.Duration) {
	if p.Ended() {
		return
	}
	group.Terminate(p.cmd)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
	}
	group.Kill(p.cmd) // what is left of the group
	<-p.done
}
