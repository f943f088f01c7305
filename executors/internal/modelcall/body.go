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

// Bound protects an SDK, which reads bodies of any size and drops invalid bytes: it
// bounds the body of a successful response and requires UTF-8. A server that is
// asked for a stream may send a whole answer instead: then Bound returns the answer
// and closes the response.
func Bound(res *http.Response, stream bool, maxReplyBytes int) (whole []byte, err error) {
	// JSON needs at most six bytes for one: \u0000.
	limit := 6*maxReplyBytes + maxErrorBody
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	switch {
	case foreign.IsPage(res.Header, nil):
		_ = res.Body.Close()
		return nil, ErrWebPage
	case !stream:
		res.Body = &body{rc: res.Body, limit: limit}
		res.Header.Set("Content-Type", "application/json") // some servers omit or misstate it
	case strings.HasSuffix(media, "json"):
		defer func() { _ = res.Body.Close() }()
		return io.ReadAll(&body{rc: res.Body, limit: limit})
	default:
		res.Body = &body{rc: res.Body, limit: limit, events: true}
	}
	return nil, nil
}

// A body bounds how much of a response is buffered at a time, either the whole or
// one event of a stream, and requires UTF-8. A body that begins like HTML is a web
// page.
type body struct {
	rc     io.ReadCloser
	limit  int
	events bool // the limit applies to one event: the lines between two blank ones

	size    int  // bytes since the beginning or the last blank line
	inLine  bool // the current line is not empty
	begun   bool // a byte other than white space has been read
	partial []byte
	err     error
}

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.rc.Read(p)
	good, fault := b.check(p[:n], errors.Is(err, io.EOF))
	if fault != nil {
		n, err = good, fault // the bytes before the fault may state the usage
	}
	b.err = err
	return n, err
}

func (b *body) Close() error { return b.rc.Close() }

// check returns how many bytes of data are valid, and the fault of the byte after
// them.
func (b *body) check(data []byte, last bool) (int, error) {
	if text := bytes.TrimSpace(data); !b.begun && len(text) > 0 {
		if b.begun = true; text[0] == '<' {
			return 0, ErrWebPage
		}
	}
	if err := b.measure(data); err != nil {
		return 0, err
	}
	// Two reads may split a character.
	before := len(b.partial)
	all := data
	if before > 0 {
		all = append(b.partial, data...)
	}
	whole := all
	if !last {
		whole = all[:len(all)-unfinished(all)]
	}
	if good := validPrefix(whole); good < len(whole) {
		return max(0, good-before), ErrInvalidUTF8
	}
	b.partial = bytes.Clone(all[len(whole):])
	return len(data), nil
}

func validPrefix(data []byte) int {
	if utf8.Valid(data) {
		return len(data)
	}
	n := 0
	for n < len(data) {
		r, size := utf8.DecodeRune(data[n:])
		if r == utf8.RuneError && size <= 1 {
			break
		}
		n += size
	}
	return n
}

// measure counts the bytes that are buffered at a time.
func (b *body) measure(data []byte) error {
	for len(data) > 0 {
		line, rest, ended := data, []byte(nil), false
		if i := bytes.IndexByte(data, '\n'); b.events && i >= 0 {
			line, rest, ended = data[:i], data[i+1:], true
		}
		b.size += len(line)
		b.inLine = b.inLine || len(bytes.TrimRight(line, "\r")) > 0
		if b.size > b.limit {
			return ErrTooLarge
		}
		if ended {
			b.size++
			if !b.inLine {
				b.size = 0
			}
			b.inLine = false
		}
		data = rest
	}
	return nil
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
