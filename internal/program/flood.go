package program

import (
	"fmt"
	"time"
)

// The bounds of unrequested output within a minute: far above any working program, and
// little enough for a worker to read.
const (
	FloodLines = 10_000
	FloodBytes = 64 << 20
)

// A Flood counts the lines on a program's standard output that answer no request. It
// belongs to one goroutine. The zero value is ready.
type Flood struct {
	since        time.Time
	lines, bytes int
}

// Add counts a line of n bytes. An error means that the bound is exceeded: stop reading
// the program.
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
