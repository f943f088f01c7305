package modelcall

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/parley-run/parley/internal/foreign"
)

// maxErrorBody bounds how many bytes of an error response are read.
const maxErrorBody = 64 << 10

// Faults of a response body, found before it is parsed.
var (
	ErrTooLarge    = errors.New("the answer is larger than allowed")
	ErrInvalidUTF8 = errors.New("the answer is not valid UTF-8")
	ErrCutOff      = errors.New("the stream ended before the answer did")
)

// remedyTooLarge is the remedy of ErrTooLarge.
const remedyTooLarge = "bound the reply with max_output_tokens"

// Succeeded reports whether the status is 2xx.
func Succeeded(res *http.Response) bool { return res.StatusCode >= 200 && res.StatusCode <= 299 }

// ErrorBody reads up to maxErrorBody bytes of an error response and closes it.
func ErrorBody(res *http.Response) []byte {
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxErrorBody)) // without a body the status is enough
	return body
}

// ReadAll reads a whole answer. It returns ErrTooLarge above limit bytes and
// ErrNoAnswer for blank text.
func ReadAll(r io.Reader, limit int) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) > limit:
		return nil, ErrTooLarge
	case len(bytes.TrimSpace(data)) == 0:
		return nil, ErrNoAnswer
	}
	return data, nil
}

// Receive reads a successful response, of whatever shape: a whole answer, even where a
// stream was requested, or events, even where none was. One of the two is nil. It bounds the
// answer, requires UTF-8, and recognises a web page. A whole answer may be any text.
//
// It reads the beginning of the body unless a stream was requested and the response is
// marked as one. A whole answer is then an event.
func Receive(res *http.Response, stream bool, maxReplyBytes int) (whole []byte, events *Events, err error) {
	if foreign.IsPage(res.Header, nil) {
		defer func() { _ = res.Body.Close() }()
		return nil, nil, markup(nil, res.Body)
	}
	e := NewEvents(res, maxReplyBytes)
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if stream && !strings.HasSuffix(media, "json") {
		return nil, e, nil
	}
	whole, err = e.whole()
	if err != nil || whole != nil {
		_ = res.Body.Close()
		return whole, nil, err
	}
	return nil, e, nil
}

// whole returns the body if it is no stream, and nil if it is one, which is not read then.
func (e *Events) whole() ([]byte, error) {
	var begin []byte // white space keeps a connection open
	for {
		next, err := e.r.Peek(1)
		switch {
		case errors.Is(err, io.EOF):
			return []byte{}, nil
		case err != nil:
			return nil, err
		case next[0] == '<':
			return nil, markup(nil, e.r)
		}
		if !bytes.Contains([]byte(" \t\r\n\xef\xbb\xbf"), next) {
			break
		}
		if begin = append(begin, next...); len(begin) > maxIdleBytes {
			return nil, ErrFlood
		}
		_, _ = e.r.Discard(1)
	}
	next, _ := e.r.Peek(1)
	switch next[0] {
	case ':', '[':
		return nil, nil
	case '{':
		return e.only()
	}
	word, _ := e.r.Peek(len("event:"))
	name, _, _ := bytes.Cut(word, []byte(":"))
	switch string(name) {
	case "data", "event", "id", "retry":
		return nil, nil
	}
	return e.rest(nil)
}

// only returns the body if it is one JSON object.
func (e *Events) only() ([]byte, error) {
	for {
		if _, err := e.r.Peek(1); errors.Is(err, io.EOF) {
			return nil, ErrCutOff
		} else if err != nil {
			return nil, err
		}
		piece, _ := e.r.Peek(e.r.Buffered())
		n, found, err := e.values.add(piece)
		_, _ = e.r.Discard(n)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			continue
		}
		space, err := e.rest(found[0])
		if space != nil || err != nil {
			return space, err
		}
		e.first = false
		return nil, e.put(found[0])
	}
}

// rest returns the body after what has been read of it. Nil: another event follows.
func (e *Events) rest(begin []byte) ([]byte, error) {
	for begin != nil {
		next, err := e.r.Peek(1)
		switch {
		case errors.Is(err, io.EOF):
			return checked(begin)
		case err != nil:
			return nil, err
		}
		if !bytes.Contains([]byte(" \t\r\n"), next) {
			if next[0] == '{' || next[0] == '[' || next[0] == ',' || next[0] == 'd' || next[0] == ':' {
				return nil, nil
			}
			break
		}
		_, _ = e.r.Discard(1)
	}
	tail, err := io.ReadAll(io.LimitReader(e.r, int64(e.limit-len(begin))+1))
	switch {
	case err != nil:
		return nil, err
	case len(begin)+len(tail) > e.limit:
		return nil, ErrTooLarge
	}
	return checked(append(begin, tail...))
}

func checked(data []byte) ([]byte, error) {
	if !utf8.Valid(data) {
		return nil, ErrInvalidUTF8
	}
	return data, nil
}

// Bound protects an SDK, which reads bodies of any size, drops invalid bytes, and knows one
// form of events only: it bounds the body of a successful response, requires UTF-8, and
// rewrites events, as [Receive] reads them. A server that is asked for a stream may send a
// whole answer instead: then Bound returns the answer and closes the response. If it streams
// although it is not asked to, the response is marked as text/event-stream.
func Bound(res *http.Response, stream bool, maxReplyBytes int) (whole []byte, err error) {
	whole, events, err := Receive(res, stream, maxReplyBytes)
	switch {
	case err != nil:
		return nil, err
	case events != nil:
		res.Body = events.Body()
		res.Header.Set("Content-Type", "text/event-stream")
		return nil, nil
	case stream:
		return whole, nil
	}
	res.Body = io.NopCloser(bytes.NewReader(whole))
	res.Header.Set("Content-Type", "application/json") // some servers omit or misstate it
	return nil, nil
}

// unfinished returns how many bytes at the end are the beginning of a character.
func unfinished(data []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(data); n++ {
		if tail := data[len(data)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}
