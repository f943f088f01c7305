package a2a

import (
	"bytes"
	"io"

	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/wire"
)

// events reads server-sent events, with lines that end in a line feed.
type events struct {
	lines *wire.Lines
	limit int
	first bool
}

func newEvents(r io.Reader, limit int) *events {
	return &events{lines: wire.NewLines(r, limit), limit: limit, first: true}
}

// next returns the data of the next event, or nil for a comment. An event that is
// not followed by a blank line is not complete, and lost.
func (s *events) next() ([]byte, error) {
	var (
		data []byte
		has  bool
	)
	for {
		line, err := s.lines.Next()
		if err != nil {
			return nil, err
		}
		if s.first {
			line, s.first = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf")), false
		}
		switch {
		case len(line) == 0 && has:
			return data, nil
		case len(line) > 0 && line[0] == ':' && !has:
			return nil, nil
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		if string(field) != "data" {
			continue
		}
		value = bytes.TrimPrefix(value, []byte(" "))
		if has {
			data = append(data, '\n')
		}
		if len(data)+len(value) > s.limit {
			return nil, modelcall.ErrTooLarge
		}
		data, has = append(data, value...), true
	}
}
