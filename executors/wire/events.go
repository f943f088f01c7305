package wire

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/internal/printable"
)

// An Event is a server-sent event. One without a name and data is a comment, which
// keeps the connection open.
type Event struct {
	Name string
	Data []byte
}

// Comment reports whether the event is a comment.
func (e Event) Comment() bool { return e.Name == "" && len(e.Data) == 0 }

// Events reads server-sent events whose lines end in LF, CR or CRLF. One event is bounded,
// and so is the whole: a stream of comments and blank lines ends too.
type Events struct {
	r      *bufio.Reader
	limit  int
	meter  modelcall.Meter
	first  bool
	skipLF bool // the last line ended in CR
}

// NewEvents returns a reader of events with at most limit bytes of data.
func NewEvents(r io.Reader, limit int) *Events {
	return &Events{r: bufio.NewReader(r), limit: limit, meter: modelcall.Meter{MaxReplyBytes: limit}, first: true}
}

// Next returns the next event or comment. The last event needs no blank line after it,
// unless its data is JSON that is incomplete.
func (s *Events) Next() (Event, error) {
	var (
		e     Event
		named bool
		has   bool
	)
	for {
		line, err := s.line()
		if err != nil && !errors.Is(err, io.EOF) {
			return Event{}, err
		}
		if s.first {
			line, s.first = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf")), false
		}
		if !utf8.Valid(line) {
			return Event{}, modelcall.ErrInvalidUTF8
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		if fault := s.meter.Event(len(line)+1, string(field) == "data"); fault != nil {
			return Event{}, fault
		}
		switch string(field) {
		case "event":
			e.Name, named = printable.Clip(string(value), printable.MaxName), true
		case "data":
			if has {
				e.Data = append(e.Data, '\n')
			}
			if len(e.Data)+len(value) > s.limit {
				return Event{}, modelcall.ErrTooLarge
			}
			e.Data, has = append(e.Data, value...), true
		case "":
			switch {
			case err != nil:
			case len(line) == 0 && (has || named):
				return e, nil
			case len(line) > 0 && !has && !named:
				return Event{}, nil
			}
		}
		switch {
		case err == nil:
		case !has:
			return Event{}, err
		case brokenOff(e.Data):
			return Event{}, modelcall.ErrCutOff
		default:
			return e, nil
		}
	}
}

// brokenOff reports whether data is the beginning of an object or a list.
func brokenOff(data []byte) bool {
	data = bytes.TrimSpace(data)
	return len(data) > 0 && (data[0] == '{' || data[0] == '[') && !json.Valid(data) && string(data) != "[DONE]"
}

// line returns the next line without its end, and io.EOF together with a last line that
// has none.
func (s *Events) line() ([]byte, error) {
	var line []byte
	for {
		if _, err := s.r.Peek(1); err != nil {
			return line, err
		}
		piece, _ := s.r.Peek(s.r.Buffered())
		if s.skipLF && piece[0] == '\n' {
			s.skipLF = false
			_, _ = s.r.Discard(1)
			continue
		}
		s.skipLF = false
		end := bytes.IndexAny(piece, "\r\n")
		if end < 0 {
			end = len(piece)
		}
		if len(line)+end > s.limit {
			return nil, modelcall.ErrTooLarge
		}
		line = append(line, piece[:end]...)
		if end == len(piece) {
			_, _ = s.r.Discard(end)
			continue
		}
		s.skipLF = piece[end] == '\r'
		_, _ = s.r.Discard(end + 1)
		return line, nil
	}
}
