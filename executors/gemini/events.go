package gemini

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// events rewrites server-sent events into the one form that the SDK reads: a line
// of data and a blank line. The SDK fails on comments, which proxies send to keep a
// connection open, on event names, and on data of several lines.
type events struct {
	r     *bufio.Reader
	close func() error

	event []byte // the part of the event read so far
	ready []byte // output not read yet
	err   error
}

func newEvents(body io.ReadCloser) *events {
	return &events{r: bufio.NewReader(body), close: body.Close}
}

// Read returns an event as soon as it is complete. The body bounds its size.
func (e *events) Read(p []byte) (int, error) {
	for len(e.ready) == 0 {
		if e.err != nil {
			return 0, e.err
		}
		var line []byte
		line, e.err = e.r.ReadBytes('\n')
		if e.err != nil && !errors.Is(e.err, io.EOF) {
			continue // an incomplete event
		}
		e.take(bytes.TrimRight(line, "\r\n"))
		if e.err != nil {
			e.take(nil) // some servers omit the last blank line
		}
	}
	n := copy(p, e.ready)
	e.ready = e.ready[n:]
	return n, nil
}

func (e *events) Close() error { return e.close() }

func (e *events) take(line []byte) {
	if len(line) == 0 {
		if len(e.event) > 0 {
			e.ready = append(e.event, "\n\n"...)
			e.event = nil
		}
		return
	}
	name, data, isField := bytes.Cut(line, []byte(":"))
	switch {
	case !isField, string(name) != "data" && bytes.ContainsAny(name, `{["`):
		e.event = append(e.event, line...) // not an event: an error body, which the SDK reads
	case string(name) != "data":
	case len(e.event) == 0:
		e.event = append(e.event, line...)
	default:
		e.event = append(append(e.event, ' '), data...) // white space between two JSON tokens
	}
}
