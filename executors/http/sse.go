package http

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/wire"
)

// An event is one of a stream of server-sent events. A comment is an event
// without a name and data: a sign of life.
type event struct {
	name string
	data []byte
}

func (e event) comment() bool { return e.name == "" && len(e.data) == 0 }

// events reads server-sent events, with lines that end in a line feed.
type events struct {
	lines *wire.Lines
	limit int
	first bool
}

func newEvents(r io.Reader, limit int) *events {
	return &events{lines: wire.NewLines(r, limit), limit: limit, first: true}
}

// next returns the next event or comment. An event that is not followed by a
// blank line is not complete, and lost.
func (s *events) next() (event, error) {
	var (
		e     event
		named bool
		has   bool
	)
	for {
		line, err := s.lines.Next()
		if err != nil {
			return event{}, err
		}
		if s.first {
			line, s.first = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf")), false
		}
		if !utf8.Valid(line) {
			return event{}, modelcall.ErrInvalidUTF8
		}
		if len(line) == 0 {
			if has || named {
				return e, nil
			}
			continue
		}
		if line[0] == ':' {
			if !has && !named {
				return event{}, nil
			}
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "event":
			e.name, named = string(value), true
		case "data":
			if has {
				e.data = append(e.data, '\n')
			}
			if len(e.data)+len(value) > s.limit {
				return event{}, modelcall.ErrTooLarge
			}
			e.data, has = append(e.data, value...), true
		}
	}
}

// stream takes an answer event by event.
func (c *call) stream(body io.Reader) error {
	events := newEvents(body, wire.MaxFrame(c.cfg.MaxReplyBytes))
	seen := streamed{mapping: c.mapping}
	for {
		e, err := events.next()
		switch {
		case errors.Is(err, io.EOF) && c.mapping.endsWithStream():
			return seen.complete()
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return modelcall.ErrCutOff
		case err != nil:
			return err
		case e.comment():
			c.watch.Alive(false)
			continue
		}
		frame, final, err := c.mapping.event(e)
		if err != nil {
			return err
		}
		c.watch.Alive(final || frame.Delta != nil || frame.Message != nil)
		if err := c.answer.Add(frame); err != nil {
			return err
		}
		if final {
			return seen.complete()
		}
		seen.note(frame)
	}
}

// streamed is what has been seen of a stream.
type streamed struct {
	mapping *mapping
	events  bool
	text    bool
}

func (s *streamed) note(f wire.Frame) {
	s.events = true
	s.text = s.text || f.Delta != nil || f.Message != nil
}

// complete judges a stream in another agent's words that has ended as it should:
// where nothing was found in any event, a path may be wrong.
func (s *streamed) complete() error {
	if !s.mapping.mapsResponse() || s.text {
		return nil
	}
	if !s.events {
		return modelcall.ErrNoAnswer
	}
	paths := s.mapping.stream
	if paths.Delta != "" {
		return pathError("stream.delta", paths.Delta, "nothing in any event")
	}
	return pathError("stream.text", paths.Text, "nothing in any event")
}
