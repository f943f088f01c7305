package wire

import (
	"bytes"
	"io"
	"unicode/utf8"

	"github.com/parley-run/parley/executors/internal/modelcall"
)

// An Event is a server-sent event. One without a name and data is a comment, which
// keeps the connection open.
type Event struct {
	Name string
	Data []byte
}

// Comment reports whether the event is a comment.
func (e Event) Comment() bool { return e.Name == "" && len(e.Data) == 0 }

// Events reads server-sent events whose lines end in a line feed.
type Events struct {
	lines *Lines
	limit int
	first bool
}

// NewEvents returns a reader of events with at most limit bytes of data.
func NewEvents(r io.Reader, limit int) *Events {
	return &Events{lines: NewLines(r, limit), limit: limit, first: true}
}

// Next returns the next event or comment. It drops an event that no blank line
// follows: it is incomplete.
func (s *Events) Next() (Event, error) {
	var (
		e     Event
		named bool
		has   bool
	)
	for {
		line, err := s.lines.Next()
		if err != nil {
			return Event{}, err
		}
		if s.first {
			line, s.first = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf")), false
		}
		if !utf8.Valid(line) {
			return Event{}, modelcall.ErrInvalidUTF8
		}
		if len(line) == 0 {
			if has || named {
				return e, nil
			}
			continue
		}
		if line[0] == ':' {
			if !has && !named {
				return Event{}, nil
			}
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "event":
			e.Name, named = string(value), true
		case "data":
			if has {
				e.Data = append(e.Data, '\n')
			}
			if len(e.Data)+len(value) > s.limit {
				return Event{}, modelcall.ErrTooLarge
			}
			e.Data, has = append(e.Data, value...), true
		}
	}
}
