//go:build unix

// Package stack runs the programs of a chaos run, and does to them what the plan says.
package stack

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/parley-run/parley/internal/localstack/child"
)

// A Process is a program that can be started again and again.
type Process struct {
	Name string
	Bin  string
	Args []string
	Dir  string
	Env  []string
	Log  string // file for its output, appended to
	// Ahead is how far the wall clock of its next process is ahead of the machine's.
	Ahead time.Duration

	mu      sync.Mutex
	cmd     *exec.Cmd
	running *child.Process
	started time.Time
	log     *os.File
}

// Start starts the program with further variables.
func (p *Process) Start(env ...string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running != nil && !p.running.Ended() {
		return nil
	}
	if p.log == nil {
		f, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("stack: %s: %w", p.Name, err)
		}
		p.log = f
	}
	cmd := exec.Command(p.Bin, p.Args...)
	cmd.Dir, cmd.Env = p.Dir, append(append([]string{}, p.Env...), env...)
	cmd.Stdout, cmd.Stderr = p.log, p.log
	running, err := startAhead(cmd, p.Ahead)
	if err != nil {
		return fmt.Errorf("stack: start %s: %w", p.Name, err)
	}
	p.cmd, p.running, p.started = cmd, running, time.Now()
	return nil
}

// PID is the process's id. Zero: it does not run.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == nil || p.running.Ended() {
		return 0
	}
	return p.cmd.Process.Pid
}

// Signal sends a signal to the process, if it runs.
func (p *Process) Signal(s syscall.Signal) bool {
	pid := p.PID()
	return pid != 0 && syscall.Kill(pid, s) == nil
}

// Kill ends the process at once and waits until it is gone. It reports whether there was
// something to kill.
func (p *Process) Kill() bool {
	ok := p.Signal(syscall.SIGKILL)
	p.Await(10 * time.Second)
	return ok
}

// Await waits until the process has ended, and reports whether it has.
func (p *Process) Await(limit time.Duration) bool {
	p.mu.Lock()
	running := p.running
	p.mu.Unlock()
	if running == nil {
		return true
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-running.Done():
		return true
	case <-timer.C:
		return false
	}
}

// Killed reports that the process was ended by SIGKILL.
func (p *Process) Killed() bool {
	p.mu.Lock()
	running := p.running
	p.mu.Unlock()
	if running == nil || !running.Ended() {
		return false
	}
	var exit *exec.ExitError
	if !errors.As(running.Err(), &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// Frozen reports that the process is stopped by a signal.
func (p *Process) Frozen() bool {
	pid := p.PID()
	if pid == 0 {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(after, "T")
}
