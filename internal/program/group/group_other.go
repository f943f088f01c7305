//go:build !unix

package group

import "os/exec"

// Own does nothing: there are no process groups here, and only the program itself is
// ended.
func Own(*exec.Cmd) {}

// AwaitEnd returns at once: there is no group whose id must be kept.
func AwaitEnd(*exec.Cmd) (keepsID bool) { return false }

// Terminate ends the program.
func Terminate(cmd *exec.Cmd) { _ = cmd.Process.Kill() }

// Kill ends the program.
func Kill(cmd *exec.Cmd) { _ = cmd.Process.Kill() }
