// Package account writes accounts: files of JSON lines, in which the parties of a chaos
// run write down what they saw, each for itself.
package account

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
)

// A Writer appends lines to a file. A line is written by one call of the system, so that a
// process that is killed leaves whole lines. It is safe for concurrent use.
type Writer struct {
	mu sync.Mutex
	f  *os.File
}

// Open opens the account for appending.
func Open(path string) (*Writer, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("account: open: %w", err)
	}
	return &Writer{f: f}, nil
}

// Write appends one line.
func (w *Writer) Write(line any) error {
	data, err := json.Marshal(line)
	if err != nil {
		return fmt.Errorf("account: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.f.Write(append(data, '\n')); err != nil {
		return fmt.Errorf("account: write: %w", err)
	}
	return nil
}

// Close closes the file.
func (w *Writer) Close() error { return w.f.Close() }
