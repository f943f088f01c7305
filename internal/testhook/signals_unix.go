//go:build unix

package testhook

import (
	"syscall"
	"time"
)

// stop freezes the process. All of it stands still before the call returns: the signal
// may reach another thread first, so this one waits for it.
func stop() {
	_ = syscall.Kill(syscall.Getpid(), syscall.SIGSTOP)
	time.Sleep(500 * time.Millisecond)
}

func kill() { _ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL) }
