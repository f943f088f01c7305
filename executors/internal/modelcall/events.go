package modelcall

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/parley-run/parley/internal/printable"
)

const (
	// Bounds on what comes in a row and is no answer: comments, blank lines, fields
	// without a use, and events that bring nothing.
	maxIdle      = 20_000
	maxIdleBytes = 4 << 20
	// Bounds on a whole stream, to which each byte of the largest reply adds. Thoughts
	// are not part of the reply, and can be long.
	maxStreamBytes  = 256 << 20
	maxStreamEvents = 1 << 20
	bytesPerByte    = 64
	// maxStray bounds the text that is kept of lines that belong to no event.
	maxStray = 200
)

// ErrFlood is returned for a stream that goes on and on without an answer.
var ErrFlood = errors.New("the server sends more than an answer can need")

// An Event is a piece of a stream.
type Event struct {
	// Name is the event's; most servers give none.
	Name string
	// Data is what it carries, usually JSON.
	Data []byte
}

// Done reports whether the event is the marker that ends a stream.
func (e Event) Done() bool {
	text := bytes.ToUpper(bytes.Trim(e.Data, "\" \t\r\n"))
	return bytes.Equal(text, []byte("[DONE]"))
}

// Events reads a stream in any form that servers give it: server-sent events whose lines
// end in LF, CR or CRLF, with or without a space after the colon, blank lines between
// them or a last one; JSON values on lines of their own, in a list, or one behind the
// other. Next returns one JSON value at a time. A character whose halves come in two
// pieces is put together: see [pairs].
//
// Any byte counts as life for the timers of the [Watch] in the request's context. All is
// bounded: one event, what is no event, and the whole.
type Events struct {
	body   *pulse
	r      *bufio.Reader
	limit  int
	events int
	most   int // events
	framed bool

	first  bool // no line has been read
	skipLF bool
	name   string
	data   [][]byte
	size   int // bytes of data and of the current line
	values values
	idle   int // lines without data since the last event
	blank  int // their bytes
	quiet  int // events without a part of an answer since the last one with some
	stray  []byte
	queue  []Event
	pairs  pairs
	err    error
}

// NewEvents returns a reader of the response's events, for a reply of at most
// maxReplyBytes.
func NewEvents(res *http.Response, maxReplyBytes int) *Events {
	e := &Events{
		body: &pulse{rc: res.Body, left: maxStreamBytes + bytesPerByte*maxReplyBytes}, limit: frameLimit(maxReplyBytes),
		most: maxStreamEvents + maxReplyBytes, first: true,
		framed: res.ContentLength >= 0 || res.Uncompressed || len(res.TransferEncoding) > 0 || res.ProtoMajor >= 2,
	}
	if res.Request != nil {
		e.body.watch, _ = res.Request.Context().Value(watchKey{}).(*Watch)
	}
	e.r = bufio.NewReaderSize(e.body, 32<<10)
	e.values.limit = e.limit
	return e
}

// frameLimit is the size of one event for a reply: JSON needs at most six bytes for one,
// \u0000, and an event has other fields.
func frameLimit(maxReplyBytes int) int { return 6*maxReplyBytes + maxErrorBody }

// Framed reports whether the transport tells a complete body from one that broke off. The
// end of a connection without a length or chunks proves nothing.
func (e *Events) Framed() bool { return e.framed }

// Stray returns the beginning of the lines that belong to no event, such as an error in
// plain text.
func (e *Events) Stray() string {
	return strings.ToValidUTF8(string(bytes.TrimSpace(e.stray)), "\uFFFD")
}

// Close closes the response.
func (e *Events) Close() error { return e.body.rc.Close() }

// Next returns the next event, io.EOF at the end of the body, and ErrCutOff if that is in
// the middle of an event.
func (e *Events) Next() (Event, error) {
	for len(e.queue) == 0 {
		if e.err != nil {
			return Event{}, e.err
		}
		e.err = e.read()
	}
	ev := e.queue[0]
	e.queue = e.queue[1:]
	return ev, nil
}

// read reads one line, or what has arrived of JSON that is no event.
func (e *Events) read() error {
	if e.atJSON() {
		return e.json()
	}
	line, err := e.line()
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if text := bytes.TrimSpace(line); e.first && len(text) > 0 {
		if e.first = false; text[0] == '<' {
			return markup(line, e.r)
		}
	}
	if fault := e.take(line); fault != nil || err == nil {
		return fault
	}
	return e.end()
}

// end is at the end of the body. Servers may leave out the last blank line.
func (e *Events) end() error {
	if !e.values.empty() {
		return ErrCutOff
	}
	if fault := e.dispatch(true); fault != nil {
		return fault
	}
	return io.EOF
}

// atJSON reports whether JSON stands where a line begins, or goes on.
func (e *Events) atJSON() bool {
	if !e.values.empty() {
		return true
	}
	if len(e.data) > 0 || e.name != "" {
		return false
	}
	next, err := e.r.Peek(1)
	if e.first && err == nil && next[0] == 0xEF {
		if mark, _ := e.r.Peek(3); bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
			_, _ = e.r.Discard(len(mark))
			next, err = e.r.Peek(1)
		}
	}
	if err != nil || next[0] != '{' && next[0] != '[' {
		return false
	}
	if next[0] == '{' {
		return true
	}
	two, _ := e.r.Peek(2)
	return string(two) != "[D" // not [DONE]
}

// json reads what has arrived of JSON that is no event.
func (e *Events) json() error {
	e.first = false
	if _, err := e.r.Peek(1); errors.Is(err, io.EOF) {
		return e.end()
	} else if err != nil {
		return err
	}
	piece, _ := e.r.Peek(e.r.Buffered())
	n, found, err := e.values.add(piece)
	_, _ = e.r.Discard(n)
	for _, value := range found {
		if fault := e.put(value); fault != nil {
			return fault
		}
	}
	return err
}

// line reads up to the end of a line, and returns io.EOF together with a last line that
// has none.
func (e *Events) line() ([]byte, error) {
	var line []byte
	for {
		if _, err := e.r.Peek(1); err != nil {
			return line, err
		}
		piece, _ := e.r.Peek(e.r.Buffered())
		if e.skipLF && piece[0] == '\n' {
			_, _ = e.r.Discard(1)
			e.skipLF = false
			continue
		}
		e.skipLF = false
		end := bytes.IndexAny(piece, "\r\n")
		if end < 0 {
			end = len(piece)
		}
		if e.size+len(line)+end > e.limit {
			return nil, ErrTooLarge
		}
		line = append(line, piece[:end]...)
		if end < len(piece) {
			e.skipLF = piece[end] == '\r'
			_, _ = e.r.Discard(end + 1)
			return line, nil
		}
		_, _ = e.r.Discard(end)
	}
}

// take reads a line.
func (e *Events) take(line []byte) error {
	text := bytes.TrimLeft(line, " \t")
	switch {
	case len(text) == 0 && (len(e.data) > 0 || e.name != ""):
		return e.dispatch(false)
	case len(text) == 0, text[0] == ':':
		return e.waste(line)
	case len(e.data) == 0 && (text[0] == '{' || text[0] == '['):
		if (Event{Data: text}).Done() {
			return e.put(text)
		}
		_, found, err := e.values.add(append(text, '\n'))
		for _, value := range found {
			if fault := e.put(value); fault != nil {
				return fault
			}
		}
		return err
	}
	field, value, _ := bytes.Cut(text, []byte(":"))
	switch strings.ToLower(string(bytes.TrimSpace(field[:min(len(field), 16)]))) {
	case "data":
		value = bytes.TrimPrefix(value, []byte(" "))
		for again := []byte("data:"); bytes.HasPrefix(value, again); { // a proxy wrapped the events of another
			value = bytes.TrimPrefix(bytes.TrimPrefix(value, again), []byte(" "))
		}
		e.data = append(e.data, bytes.Clone(value))
		e.size += len(line) + 1
	case "event":
		e.name = printable.Name(string(value), printable.MaxName)
		return e.waste(nil)
	case "id", "retry":
		return e.waste(line)
	default:
		if !utf8.Valid(line) {
			return ErrInvalidUTF8
		}
		e.stray = append(e.stray, line[:min(len(line), maxStray-len(e.stray))]...)
		return e.waste(line)
	}
	return nil
}

// Progress notes whether the last event brought a part of an answer. It returns an error
// when too many in a row did not.
func (e *Events) Progress(begins bool) error {
	if e.quiet++; begins {
		e.quiet = 0
	}
	if e.quiet > maxIdle {
		return ErrFlood
	}
	return nil
}

// waste counts a line that is no part of an answer.
func (e *Events) waste(line []byte) error {
	e.idle++
	e.blank += len(line) + 1
	if e.idle > maxIdle || e.blank > maxIdleBytes {
		return ErrFlood
	}
	return nil
}

// dispatch ends an event.
func (e *Events) dispatch(last bool) error {
	data, name := e.data, e.name
	e.data, e.size = nil, 0
	defer func() { e.name = "" }()
	if len(data) == 0 {
		return nil
	}
	text := bytes.TrimSpace(bytes.Join(data, []byte("\n")))
	ev := Event{Name: name, Data: text}
	switch {
	case len(text) == 0:
		return e.waste(nil)
	case ev.Done():
		return e.put(text)
	case json.Valid(text):
	case len(data) > 1 && eachWhole(data):
		for _, line := range data {
			if fault := e.dispatchAs(name, line); fault != nil {
				return fault
			}
		}
		return nil
	case len(data) > 1 && json.Valid(bytes.Join(data, nil)):
		text = bytes.Join(data, nil) // a proxy broke a long line
	case last:
		return ErrCutOff
	}
	return e.dispatchAs(name, text)
}

func (e *Events) dispatchAs(name string, text []byte) error {
	e.name = name
	if text = bytes.TrimSpace(text); len(text) > 0 && text[0] == '[' && json.Valid(text) {
		var list []json.RawMessage
		_ = json.Unmarshal(text, &list) // cannot fail: it is a list
		for _, value := range list {
			if fault := e.put(value); fault != nil {
				return fault
			}
		}
		return nil
	}
	return e.put(text)
}

func eachWhole(lines [][]byte) bool {
	for _, line := range lines {
		if !json.Valid(line) && !(Event{Data: line}).Done() {
			return false
		}
	}
	return true
}

// put queues an event.
func (e *Events) put(data []byte) error {
	e.idle, e.blank = 0, 0
	if e.events++; e.events > e.most {
		return ErrFlood
	}
	data = e.pairs.mend(data)
	if !utf8.Valid(data) {
		return ErrInvalidUTF8
	}
	e.queue = append(e.queue, Event{Name: e.name, Data: data})
	return nil
}

// A pulse reports each byte as life, and bounds their number.
type pulse struct {
	rc    io.ReadCloser
	watch *Watch // may be nil
	left  int
}

func (p *pulse) Read(b []byte) (int, error) {
	n, err := p.rc.Read(b)
	if n > 0 && p.watch != nil {
		p.watch.Alive(false)
	}
	if p.left -= n; p.left < 0 {
		return 0, ErrFlood
	}
	return n, err
}
