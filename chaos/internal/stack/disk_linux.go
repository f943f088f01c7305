package stack

import (
	"fmt"
	"os"
	"syscall"
)

func mountMemory(path string, size int64) error {
	return syscall.Mount("parley-chaos", path, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, fmt.Sprintf("size=%d,mode=0700", size))
}

func unmountMemory(path string) { _ = syscall.Unmount(path, syscall.MNT_DETACH) }

// takeAll allocates every free block to f.
func takeAll(f *os.File) error {
	var has int64
	for {
		var fs syscall.Statfs_t
		if err := syscall.Fstatfs(int(f.Fd()), &fs); err != nil {
			return fmt.Errorf("stack: fill the disk: %w", err)
		}
		free := int64(fs.Bavail) * fs.Bsize
		if free == 0 {
			return nil
		}
		if err := syscall.Fallocate(int(f.Fd()), 0, has, free); err != nil && err != syscall.ENOSPC {
			return fmt.Errorf("stack: fill the disk: %w", err)
		}
		has += free
	}
}
