//go:build unix

package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// lock takes the lock file, and reports progress while another process holds it. The
// kernel releases it when its holder exits, however it exits.
func lock(ctx context.Context, path string, tell func(Progress)) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock the cache: %w", err)
	}
	began := time.Now()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	var told time.Time
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return func() { _ = f.Close() }, nil // closing releases the lock
		case !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR):
			_ = f.Close()
			return nil, fmt.Errorf("lock the cache: %s: %w", path, err)
		}
		if now := time.Now(); now.Sub(told) >= newsEvery {
			told = now
			tell(Progress{Step: StepWait, Program: devserverName, Elapsed: now.Sub(began)})
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, fmt.Errorf("wait for another process that builds the devserver: %w", context.Cause(ctx))
		case <-ticker.C:
		}
	}
}
