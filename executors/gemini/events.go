package gemini

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// events passes server-sent events on in the one form that the SDK reads: a line of
// data and a blank line. To the SDK a comment, the name of an event, or data in
// several lines is a fault, and proxies send comments to keep a connection open.
type events struct {
	r     *bufio.Reader
	close func() error

	event []byte // what has come of the event so far
	ready []byte // what is still to be read
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
			continue // half an event is none
		}
		e.take(bytes.TrimRight(line, "\r\n"))
		if e.err != nil {
			e.take(nil) // some servers leave the last blank line out
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
		e.event = append(e.event, line...) // no event: an error, as the SDK knows to read
	case string(name) != "data":
	case len(e.event) == 0:
		e.event = append(e.event, line...)
	default:
		e.event = append(append(e.event, ' '), data...) // between two words of JSON
	}
}
