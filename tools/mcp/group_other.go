//go:build !unix

package mcp

import (
	"os/exec"
	"syscall"
)

// ownGroup is nil: there are no process groups here, and only the program itself
// is ended.
func ownGroup() *syscall.SysProcAttr { return nil }

func awaitEnd(*exec.Cmd) (keepsID bool) { return false }

func terminateGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }

func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }
