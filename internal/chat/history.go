package chat

import (
	"bufio"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	// keptEntries and keptBytes bound the history.
	keptEntries = 500
	keptBytes   = 256 << 10
	// lineBreak marks a line break where an entry is shown on one line.
	lineBreak = "⏎"
)

// A History holds earlier lines, for the arrow keys. It is not safe for concurrent use.
type History struct {
	path    string
	entries []string // oldest first
	// recalled: an entry of several lines was shown on one.
	recalled bool
}

// LoadHistory reads a history file and appends to it. With an empty path the history is
// kept in memory only. After an error the history can be used all the same.
func LoadHistory(path string) (*History, error) {
	h := &History{}
	if path == "" {
		return h, nil
	}
	file, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		h.path = path
		return h, nil
	case err != nil:
		return h, err
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, keptBytes)
	read := 0
	for lines.Scan() {
		read++
		var entry string
		if json.Unmarshal(lines.Bytes(), &entry) == nil && entry != "" {
			h.entries = append(h.entries, entry)
		}
	}
	h.bound()
	h.path = path
	if read > 2*keptEntries || lines.Err() != nil {
		if err := h.rewrite(); err != nil {
			h.path = ""
			return h, err
		}
	}
	return h, nil
}

// Remember adds an entry and appends it to the file, which only its owner may read.
func (h *History) Remember(entry string) error {
	if n := len(h.entries); entry == "" || n > 0 && h.entries[n-1] == entry {
		return nil
	}
	h.entries = append(h.entries, entry)
	h.bound()
	if h.path == "" || len(entry) > keptBytes/4 {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(h.path), 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(h.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(encode(entry))
	return errors.Join(err, file.Chmod(0o600), file.Close())
}

// bound drops the oldest entries.
func (h *History) bound() {
	size := 0
	for i, entry := range slices.Backward(h.entries) {
		if size += len(entry); size > keptBytes || len(h.entries)-i > keptEntries {
			h.entries = slices.Clone(h.entries[i+1:])
			return
		}
	}
}

// rewrite replaces the file atomically with a shorter one.
func (h *History) rewrite() error {
	file, err := os.CreateTemp(filepath.Dir(h.path), filepath.Base(h.path)+".*") // for its owner only
	if err != nil {
		return err
	}
	for _, entry := range h.entries {
		if _, e := file.Write(encode(entry)); e != nil {
			err = e
			break
		}
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), h.path)
	}
	if err != nil {
		_ = os.Remove(file.Name())
	}
	return err
}

func encode(entry string) []byte {
	line, err := json.Marshal(entry)
	if err != nil { // a string always marshals
		panic(err)
	}
	return append(line, '\n')
}

// Len is the number of entries.
func (h *History) Len() int { return len(h.entries) }

// At is an entry on one line, the newest at 0.
func (h *History) At(i int) string {
	entry := h.entries[len(h.entries)-1-i]
	if strings.Contains(entry, "\n") {
		h.recalled = true
	}
	return strings.ReplaceAll(entry, "\n", lineBreak)
}

// Meant is the message that a typed line means: in a recalled entry, line break
// marks become line breaks again.
func (h *History) Meant(line string) string {
	if h.recalled {
		line = strings.ReplaceAll(line, lineBreak, "\n")
	}
	h.recalled = false
	return line
}
