//go:build unix

package stack

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// A disk is a small file system of its own, in memory, which can be filled up.
type disk struct {
	path    string
	missing string // why it is a folder like others, and cannot be filled
}

// mountDisk needs the right to mount. Without it, the disk is a folder.
func mountDisk(path string, size int64) disk {
	d := disk{path: path}
	if err := os.MkdirAll(path, 0o700); err != nil {
		d.missing = err.Error()
		return d
	}
	if err := mountMemory(path, size); err != nil {
		d.missing = fmt.Sprintf("mount a tmpfs: %v", err)
	}
	return d
}

func (d disk) ballast() string { return filepath.Join(d.path, "ballast") }

// fill leaves no block free.
func (d disk) fill() error {
	f, err := os.OpenFile(d.ballast(), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("stack: fill the disk: %w", err)
	}
	defer func() { _ = f.Close() }()
	return takeAll(f)
}

// clear ends what fill has begun.
func (d disk) clear() { _ = os.Remove(d.ballast()) }

// unmount keeps a copy of the database in dir.
func (d disk) unmount(dir string) {
	if d.missing != "" {
		return
	}
	for _, suffix := range []string{"", "-wal"} {
		name := "temporal.sqlite" + suffix
		_ = copyFile(filepath.Join(d.path, name), filepath.Join(dir, name))
	}
	unmountMemory(d.path)
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if closed := out.Close(); err == nil {
		err = closed
	}
	return err
}
