//go:build unix

package stack

import (
	"fmt"
	"os/exec"
	"time"

	"github.com/parley-run/parley/internal/localstack/child"
)

// A clockError means that a process cannot have a clock of its own on this machine.
type clockError struct{ error }

// startAhead starts a program whose wall clock is ahead of the machine's by that much. The
// program is the same: the function of the kernel by which it reads the wall clock is
// replaced in its memory before its first instruction. Its monotonic clock stays right.
func startAhead(cmd *exec.Cmd, ahead time.Duration) (*child.Process, error) {
	if ahead == 0 {
		return child.Start(cmd)
	}
	return child.StartWith(cmd, trace, func(pid int) error {
		if err := setAhead(pid, ahead); err != nil {
			return clockError{fmt.Errorf("another clock for a process: %w", err)}
		}
		return nil
	})
}
