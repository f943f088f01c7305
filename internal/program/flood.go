package program

import (
	"fmt"
	"time"
)

// What a program may write within a minute that answers nothing: far more than any
// that works, and little enough for a worker to read.
const (
	FloodLines = 10_000
	FloodBytes = 64 << 20
)

// A Flood counts what a program writes to its standard output that answers nothing. It
// belongs to one goroutine. The zero value is ready.
type Flood struct {
	since        time.Time
	lines, bytes int
}

// Add counts a line of n bytes. The error says that it was one too many: the program is
// not to be read any further.
func (f *Flood) Add(n int) error {
	if now := time.Now(); f.since.IsZero() || now.Sub(f.since) >= time.Minute {
		*f = Flood{since: now}
	}
	f.lines++
	f.bytes += n
	switch {
	case f.lines > FloodLines:
		return fmt.Errorf("the program wrote more than %d lines within a minute that answer nothing", FloodLines)
	case f.bytes > FloodBytes:
		return fmt.Errorf("the program wrote more than %d MiB within a minute that answer nothing", FloodBytes>>20)
	}
	return nil
}
