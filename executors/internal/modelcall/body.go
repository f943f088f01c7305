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

// maxErrorBody bounds what is read of an error's body.
const maxErrorBody = 64 << 10

// What may be wrong with an answer before anybody has understood it.
var (
	ErrTooLarge    = errors.New("the answer is larger than allowed")
	ErrInvalidUTF8 = errors.New("the answer is not valid UTF-8")
	ErrCutOff      = errors.New("the stream ended before the answer did")
)

// remedyTooLarge goes with ErrTooLarge.
const remedyTooLarge = "bound the reply with max_output_tokens"

// Succeeded reports whether the response has a status of success.
func Succeeded(res *http.Response) bool { return res.StatusCode >= 200 && res.StatusCode <= 299 }

// ErrorBody reads as much of an error's response as is worth it, and closes it.
func ErrorBody(res *http.Response) []byte {
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxErrorBody)) // the status says enough if this fails
	return body
}

// ReadAll reads the whole of an answer, and no more than limit bytes.
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

// Bound stands between an SDK, which reads whatever comes and drops invalid
// bytes, and the network: it bounds the body of a successful response and
// requires UTF-8. A server that was asked for a stream may send a whole answer
// all the same: it is returned then, and the response closed.
func Bound(res *http.Response, stream bool, maxReplyBytes int) (whole []byte, err error) {
	// The longest way to write a byte in JSON takes six: \u0000.
	limit := 6*maxReplyBytes + maxErrorBody
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	switch {
	case foreign.IsPage(res.Header, nil):
		_ = res.Body.Close()
		return nil, ErrWebPage
	case !stream:
		res.Body = &body{rc: res.Body, limit: limit}
		res.Header.Set("Content-Type", "application/json") // some servers do not say so
	case strings.HasSuffix(media, "json"):
		defer func() { _ = res.Body.Close() }()
		return io.ReadAll(&body{rc: res.Body, limit: limit})
	default:
		res.Body = &body{rc: res.Body, limit: limit, events: true}
	}
	return nil, nil
}

// A body bounds what is kept in memory of a response at a time, the whole or
// one event of a stream, and requires UTF-8. What begins like HTML is a web page.
type body struct {
	rc     io.ReadCloser
	limit  int
	events bool // the limit is for one event: what stands between blank lines

	size    int  // since the beginning, or the last blank line
	inLine  bool // something stands in the current line
	begun   bool // something other than space has come
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
		n, err = good, fault // what came before it may tell what the answer cost
	}
	b.err = err
	return n, err
}

func (b *body) Close() error { return b.rc.Close() }

// check returns how much of the data is good, and what is wrong with the rest.
func (b *body) check(data []byte, last bool) (int, error) {
	if text := bytes.TrimSpace(data); !b.begun && len(text) > 0 {
		if b.begun = true; text[0] == '<' {
			return 0, ErrWebPage
		}
	}
	if err := b.measure(data); err != nil {
		return 0, err
	}
	// A character may be divided between two reads.
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

// measure counts what has to be held in memory at a time.
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

// unfinished is how many bytes at the end begin a character that is not
// complete.
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
