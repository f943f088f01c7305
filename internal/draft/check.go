package draft

import (
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/parley-run/parley/internal/assemble"
	"github.com/parley-run/parley/internal/config"
)

// Check reads the text as a worker does, with stand-ins for variables that are not set yet.
// Its error is config.Faults.
func Check(types assemble.Backends, path, text string, lookup func(string) (string, bool)) error {
	path = filepath.Clean(path)
	a, err := assemble.LoadWith(config.Source{
		Path:   path,
		Lookup: func(name string) (string, bool) { return standIn(lookup, name) },
		ReadFile: func(name string) ([]byte, error) {
			if name == path {
				return []byte(text), nil
			}
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		},
	}, types)
	if err != nil {
		return err
	}
	return a.Close()
}

// standIn is the value of a variable, or one that a setting of its name accepts.
func standIn(lookup func(string) (string, bool), name string) (string, bool) {
	if value, ok := lookup(name); ok && value != "" {
		return value, true
	}
	switch {
	case strings.HasSuffix(name, "_FILE"):
		return "", false // the value itself is set
	case strings.HasSuffix(name, "_URL"):
		return "http://localhost:3001", true
	}
	return "not-set-yet-0123456789", true // secrets have a least length
}
