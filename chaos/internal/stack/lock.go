//go:build unix

package stack

import (
	"fmt"
	"os"
	"syscall"
)

// lock waits until no other run compiles into the folder of kept programs. The kernel
// releases it when its holder exits, however it exits.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // beside this program
	if err != nil {
		return nil, fmt.Errorf("stack: lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("stack: lock %s: %w", path, err)
	}
	return func() { _ = f.Close() }, nil // closing releases it
}
