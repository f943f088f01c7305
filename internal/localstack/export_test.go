package localstack

import (
	"io"
	"time"
)

// WithGrace shortens the time that a server has to stop by itself.
func (o Options) WithGrace(d time.Duration) Options {
	o.grace = d
	return o
}

// BreakStdin writes a line to the server, which makes one of the fakes exit.
func (s *Stack) BreakStdin(t interface{ Fatal(...any) }) {
	if _, err := s.server.stdin.(io.Writer).Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
}
