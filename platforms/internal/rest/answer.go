package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// maxBody is the longest answer that is read: far above any transcript.
const maxBody = 16 << 20

// What may be wrong with an answer that says success, and with a list.
var (
	ErrWebPage = errors.New("the answer is a web page")
	ErrEndless = errors.New("the list does not end")
	// ErrLonger is an answer with more bytes than are read.
	ErrLonger = errors.New("the answer is longer than")

	errNotJSON = errors.New("the answer is not JSON")
	errEmpty   = errors.New("the answer is empty")
	errLacks   = errors.New("the answer lacks")
)

// An Answer is what came back, whatever its status.
type Answer struct {
	Status int
	Header http.Header

	body     []byte
	cut      bool // the connection was lost on the way
	tooLarge bool // there is more than maxBody
	page     bool // seen to be HTML while it was read
}

// read takes the body in.
func (a *Answer) read(body io.Reader) {
	var err error
	a.body, err = io.ReadAll(io.LimitReader(body, maxBody+1))
	a.cut = err != nil
	a.tooLarge = len(a.body) > maxBody
}

// ServerTime is the time by the server's clock, or by ours if it does not show.
func (a Answer) ServerTime() time.Time {
	if t, err := http.ParseTime(a.Header.Get("Date")); err == nil {
		return t.UTC()
	}
	return time.Now().UTC()
}

// decode reads a successful answer.
func (a Answer) decode(r Request, out any) error {
	switch {
	case a.cut:
		return io.ErrUnexpectedEOF
	case a.tooLarge:
		return fmt.Errorf("%w %s", ErrLonger, size(maxBody))
	case a.Status == http.StatusNoContent && out == nil:
		return nil
	case len(bytes.TrimSpace(a.body)) == 0:
		return errEmpty
	case a.isPage():
		return ErrWebPage
	case !json.Valid(a.body):
		return errNotJSON
	}
	fields, err := a.object()
	if err != nil {
		return err
	}
	for _, name := range r.Requires {
		if value := fields[name]; len(value) == 0 || string(value) == "null" {
			return fmt.Errorf("%w %q", errLacks, name)
		}
	}
	if text := detailText(fields["error"]); text != "" && len(r.Requires) == 0 {
		return errors.New("the answer says success and has an error: " + Clip(text))
	}
	if out == nil {
		return nil
	}
	if err := Unmarshal(a.body, out); err != nil {
		return fmt.Errorf("the answer is not understood: %w", err)
	}
	return nil
}

// object is the answer's fields. An answer that is no object, or an empty one, is
// nothing that a service says.
func (a Answer) object() (map[string]json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if body := bytes.TrimSpace(a.body); len(body) == 0 || body[0] != '{' {
		return nil, fmt.Errorf("the answer is %s, not an object", kindOf(append(body, ' ')[0]))
	}
	if json.Unmarshal(a.body, &fields) != nil || len(fields) == 0 {
		return nil, errors.New("the answer is an empty object")
	}
	return fields, nil
}

// FastAPI reports whether an answer of failure has the shape that FastAPI gives it:
// an object of nothing but "detail", a text or a list.
func FastAPI(a Answer) bool {
	fields, err := a.object()
	if err != nil || a.cut || a.tooLarge || len(fields) != 1 {
		return false
	}
	detail := bytes.TrimSpace(fields["detail"])
	return len(detail) > 2 && (detail[0] == '"' || detail[0] == '[')
}

// Detail is the text of an answer in the shape of [FastAPI]. Empty: it has none.
func (a Answer) Detail() string {
	var body struct {
		Detail string `json:"detail"`
	}
	_ = json.Unmarshal(a.body, &body)
	return body.Detail
}

// isPage reports whether the answer is HTML.
func (a Answer) isPage() bool {
	return a.page || strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") ||
		bytes.HasPrefix(bytes.TrimSpace(a.body), []byte("<"))
}
