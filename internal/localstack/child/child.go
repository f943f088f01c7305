// Package child runs programs that must not outlive this one, nor receive its terminal's
// Ctrl-C.
package child

import (
	"os/exec"
	"runtime"
	"time"

	"github.com/parley-run/parley/internal/program/group"
)

// waitDelay bounds the wait for the output of a program that has exited.
const waitDelay = 2 * time.Second

// A Process is a running program in a process group of its own.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // read after done
}

// Start starts a command. On Linux it is killed when this process dies.
func Start(cmd *exec.Cmd) (*Process, error) { return StartWith(cmd, nil, nil) }

// StartWith starts a command that prepare has changed, and calls begun on the thread that
// started it, which is the one that may trace it. Either may be nil. After an error of
// begun the program is killed.
func StartWith(cmd *exec.Cmd, prepare func(*exec.Cmd), begun func(pid int) error) (*Process, error) {
	group.Own(cmd)
	if prepare != nil {
		prepare(cmd)
	}
	cmd.WaitDelay = waitDelay
	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// The kernel sends the death signal when the thread that started the child ends,
		// not the process: the thread must stay.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		if begun != nil {
			if err := begun(cmd.Process.Pid); err != nil {
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
				started <- err
				return
			}
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

// PID is the program's process id, also when it has exited.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the program has exited and its output has been read.
func (p *Process) Done() <-chan struct{} { return p.done }

// Ended reports whether the program has exited.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Err waits for the program and returns its error.
func (p *Process) Err() error {
	<-p.done
	return p.err
}

// Stop asks the group to exit, kills it after grace, and returns when the program is
// gone.
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
	group.Kill(p.cmd) // the rest of the group
	<-p.done
}
