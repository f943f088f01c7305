package secret

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	// WatchInterval is how often a Watch reads its files at most.
	WatchInterval = time.Second
	// maxFile bounds a file with a key.
	maxFile = 1 << 20
)

// ErrEmpty means that a file is empty, as it is while it is being written.
var ErrEmpty = errors.New("it is empty")

// ReadFile reads a file that holds a secret. An empty one is an error.
func ReadFile(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator's path
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) > maxFile:
		return nil, fmt.Errorf("open %s: it has more than %d bytes", path, maxFile)
	case len(bytes.TrimSpace(data)) == 0:
		return nil, fmt.Errorf("open %s: %w", path, ErrEmpty)
	}
	return data, nil
}

// A Watch finds out whether files with secrets have changed. It reads them when it is
// asked, at most once a second. A new content counts once two readings have found it, so
// that a file that is being written is not taken by half. It is safe for concurrent
// use.
type Watch struct {
	paths []string
	now   func() time.Time

	mu      sync.Mutex
	read    time.Time
	current [sha256.Size]byte // in use
	seen    [sha256.Size]byte // by the last reading
	failed  string
}

// NewWatch watches files, whose current content is in use.
func NewWatch(paths ...string) *Watch {
	w := &Watch{paths: paths, now: time.Now}
	w.current, _ = w.sum()
	w.seen, w.read = w.current, w.now()
	return w
}

// Changed reports whether the files have another content than the one in use. At once
// means: now, and one reading suffices, because the key in use was refused. The error says,
// once, which file cannot be read: what is in use stays so.
func (w *Watch) Changed(atOnce bool) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	if !atOnce && now.Sub(w.read) < WatchInterval {
		return false, nil
	}
	w.read = now
	sum, err := w.sum()
	if err != nil {
		again := w.failed == err.Error()
		if w.failed = err.Error(); again {
			return false, nil
		}
		return false, err
	}
	w.failed = ""
	stable := sum == w.seen || atOnce
	w.seen = sum
	return stable && sum != w.current, nil
}

// Use says that what the last reading found is in use, or of no use: it is not
// reported again.
func (w *Watch) Use() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.current = w.seen
}

// String names the files.
func (w *Watch) String() string { return strings.Join(w.paths, ", ") }

func (w *Watch) sum() ([sha256.Size]byte, error) {
	all := sha256.New()
	for _, path := range w.paths {
		data, err := ReadFile(path)
		if err != nil {
			return [sha256.Size]byte{}, err
		}
		_, _ = fmt.Fprintf(all, "%d %s", len(data), data)
	}
	return [sha256.Size]byte(all.Sum(nil)), nil
}
