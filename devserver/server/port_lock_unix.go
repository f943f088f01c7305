//go:build unix

package server

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// lockPort locks a port against other devservers of this user until the returned lock is
// closed or the process ends, however it ends.
func lockPort(port int) (io.Closer, error) {
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("parley-devserver-%d", os.Getuid()))
	_ = os.MkdirAll(dir, 0o700)
	// The file stays behind, empty: removing it would let two processes hold
	// locks on two files of the same name.
	f, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf("port-%d.lock", port)), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return noClaim{}, nil // no writable folder: no lock, as on other systems
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, errPortTaken
	}
	return f, nil
}
