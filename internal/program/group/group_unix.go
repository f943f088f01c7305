//go:build unix && !linux

package group

import (
	"os/exec"
	"syscall"
)

// Own gives the program a process group of its own.
func Own(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// AwaitEnd returns at once: there is no portable way to wait for an exit without
// releasing the id.
func AwaitEnd(*exec.Cmd) (keepsID bool) { return false }
