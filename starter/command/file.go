package command

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
)

// writeFile writes a file that is whole or not there: it is written under another name
// beside it and renamed at the end. "-" is standard output, which may end in the middle.
func (s *starter) writeFile(path string, write func(io.Writer) error) (err error) {
	if path == "-" {
		out := bufio.NewWriter(s.stdout)
		if err := write(out); err != nil {
			return err
		}
		return out.Flush()
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.partial") // mode 0600: it has what was said
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close() // may be closed
			_ = os.Remove(f.Name())
		}
	}()
	out := bufio.NewWriter(f)
	if err := write(out); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
