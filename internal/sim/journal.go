package sim

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// journalHeader is the first line of a state file.
const journalHeader = `{"format":"parley-simulator","version":1}`

// A journal is a file of entries, one to a line. Simultaneous writes share one flush to
// the disk. A nil journal keeps nothing.
type journal struct {
	mu       sync.Mutex
	changed  sync.Cond // pending, written, closed or err has changed
	f        *os.File
	buf      bytes.Buffer
	appended int // entries in the file or in buf
	written  int // entries on the disk
	closed   bool
	late     bool // something came after close
	err      error
	stopped  chan struct{}
}

// openJournal reads the file at path into st, writes it anew in its shortest form, and
// keeps the file open for more.
func openJournal(path string, st *state) (*journal, error) {
	if err := readJournal(path, st); err != nil {
		return nil, fmt.Errorf("state file %q: %w", path, err)
	}
	if err := compact(path, st); err != nil {
		return nil, fmt.Errorf("state file %q: %w", path, err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return nil, err
	}
	j := &journal{f: f, stopped: make(chan struct{})}
	j.changed.L = &j.mu
	go j.write()
	return j, nil
}

func readJournal(path string, st *state) error {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	r := bufio.NewReader(f)
	for n := 1; ; n++ {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			// A last line without an end was being written when the process died: no caller
			// has received an answer that depends on it.
			return headerOnly(n, line)
		}
		if err != nil {
			return err
		}
		if n == 1 {
			if string(bytes.TrimSpace(line)) != journalHeader {
				return errors.New("line 1: not a state file of this simulator; name another file")
			}
			continue
		}
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("line %d: damaged: %w; remove the file to start afresh", n, err)
		}
		st.apply(e)
	}
}

// headerOnly guards against overwriting an unrelated one-line file.
func headerOnly(n int, line []byte) error {
	if n == 1 && !bytes.HasPrefix([]byte(journalHeader), line) {
		return errors.New("line 1: not a state file of this simulator; name another file")
	}
	return nil
}

// compact writes a new file beside the old one and renames it, so that there is a whole
// file at any time.
func compact(path string, st *state) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already if all goes well
	w := bufio.NewWriter(f)
	fmt.Fprintln(w, journalHeader)
	err = st.dump(func(e entry) error { return writeEntry(w, e) })
	if err := errors.Join(err, w.Flush(), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	// The rename must be on the disk before anything is appended. Not every system can
	// sync a directory.
	if dir, err := os.Open(filepath.Dir(path)); err == nil {
		_ = dir.Sync()
		_ = dir.Close()
	}
	return nil
}

func writeEntry(w io.Writer, e entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = w.Write(append(line, '\n'))
	return err
}

// append adds an entry. It does not wait for the disk.
func (j *journal) append(e entry) {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		j.late = true
	}
	if j.late || j.err != nil {
		return // wait reports it to the caller that made the change
	}
	j.err = writeEntry(&j.buf, e)
	j.appended++
	j.changed.Broadcast()
}

// wait returns once everything appended so far is on the disk.
func (j *journal) wait() error {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for want := j.appended; j.written < want && j.err == nil; {
		j.changed.Wait()
	}
	if j.late {
		return errors.Join(j.err, errors.New("state file: closed"))
	}
	return j.err
}

func (j *journal) write() {
	defer close(j.stopped)
	j.mu.Lock()
	defer j.mu.Unlock()
	for {
		for j.buf.Len() == 0 && !j.closed {
			j.changed.Wait()
		}
		if j.buf.Len() == 0 {
			return
		}
		data, upTo := bytes.Clone(j.buf.Bytes()), j.appended
		j.buf.Reset()
		j.mu.Unlock()
		_, err := j.f.Write(data)
		if err == nil {
			err = j.f.Sync()
		}
		j.mu.Lock()
		j.written = upTo
		if err != nil {
			j.err = fmt.Errorf("state file: %w", err)
			j.changed.Broadcast()
			return
		}
		j.changed.Broadcast()
	}
}

// close writes what is left.
func (j *journal) close() error {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	j.closed = true
	j.changed.Broadcast()
	j.mu.Unlock()
	<-j.stopped
	j.mu.Lock()
	defer j.mu.Unlock()
	return errors.Join(j.err, j.f.Close())
}
