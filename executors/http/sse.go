package http

import (
	"errors"
	"io"

	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/wire"
)

// stream reads an answer event by event.
func (c *call) stream(body io.Reader) error {
	events := wire.NewEvents(body, wire.MaxFrame(c.cfg.MaxReplyBytes))
	seen := streamed{mapping: c.mapping}
	for {
		e, err := events.Next()
		switch {
		case errors.Is(err, io.EOF) && c.mapping.endsWithStream():
			return seen.complete()
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return modelcall.ErrCutOff
		case err != nil:
			return err
		case e.Comment():
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

// streamed is the state of reading a stream.
type streamed struct {
	mapping *mapping
	events  bool
	text    bool
}

func (s *streamed) note(f wire.Frame) {
	s.events = true
	s.text = s.text || f.Delta != nil || f.Message != nil
}

// complete checks a mapped stream that has ended: if no event had a value at a
// path, a path may be wrong.
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
