package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	sdk "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// maxErrorBody bounds what is read of an error's body.
const maxErrorBody = 64 << 10

var (
	errTooLarge    = errors.New("the answer is larger than allowed")
	errInvalidUTF8 = errors.New("the answer is not valid UTF-8")
	errWebPage     = errors.New("the answer is a web page")
)

// remedyTooLarge goes with errTooLarge.
const remedyTooLarge = "bound the reply with max_output_tokens, or raise max_reply_bytes"

// plainAnswer is a whole answer of a server that was asked for a stream.
type plainAnswer struct{ completion *sdk.ChatCompletion }

func (*plainAnswer) Error() string { return "the server does not stream" }

// guard stands between the SDK and the network. The SDK reads whatever comes,
// loses the status of an error whose body is not the one it expects, and drops
// invalid bytes.
func (e *Executor) guard(req *http.Request, next option.MiddlewareNext) (*http.Response, error) {
	res, err := next(req)
	if err != nil {
		return nil, err
	}
	if err := refusal(res); err != nil {
		return nil, err
	}
	// The longest way to write a byte in JSON takes six: \u0000.
	limit := 6*e.cfg.MaxReplyBytes + maxErrorBody
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	switch {
	case media == "text/html":
		_ = res.Body.Close()
		return nil, errWebPage
	case !*e.cfg.Stream:
		res.Body = &body{rc: res.Body, limit: limit}
		res.Header.Set("Content-Type", "application/json") // some servers do not say so
	case strings.HasSuffix(media, "json"):
		defer func() { _ = res.Body.Close() }()
		return nil, readPlain(&body{rc: res.Body, limit: limit})
	default:
		res.Body = &body{rc: res.Body, limit: limit, events: true}
	}
	return res, nil
}

// refusal reads and closes a response that is none of success, and leaves any
// other alone.
func refusal(res *http.Response) error {
	if res.StatusCode >= 200 && res.StatusCode <= 299 {
		return nil
	}
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxErrorBody)) // the status says enough if this fails
	return newStatusError(res, body)
}

func readPlain(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	var c sdk.ChatCompletion
	if err := json.Unmarshal(data, &c); err != nil {
		return fmt.Errorf("the answer cannot be read: %w", err)
	}
	return &plainAnswer{completion: &c}
}

// A body bounds what is kept in memory of a response at a time, the whole or
// one event of a stream, and requires UTF-8.
type body struct {
	rc     io.ReadCloser
	limit  int
	events bool // the limit is for one event: what stands between blank lines

	size    int  // since the beginning, or the last blank line
	inLine  bool // something stands in the current line
	partial []byte
	err     error
}

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.rc.Read(p)
	b.err = b.check(p[:n], errors.Is(err, io.EOF))
	if b.err == nil {
		b.err = err
		return n, err
	}
	return 0, b.err
}

func (b *body) Close() error { return b.rc.Close() }

func (b *body) check(data []byte, last bool) error {
	if err := b.measure(data); err != nil {
		return err
	}
	// A character may be divided between two reads.
	if len(b.partial) > 0 {
		data = append(b.partial, data...)
	}
	whole := data
	if !last {
		whole = data[:len(data)-unfinished(data)]
	}
	b.partial = bytes.Clone(data[len(whole):])
	if !utf8.Valid(whole) {
		return errInvalidUTF8
	}
	return nil
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
			return errTooLarge
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
