package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
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

	errNotJSON  = errors.New("the answer is not JSON")
	errEmpty    = errors.New("the answer is empty")
	errTooLarge = fmt.Errorf("the answer is longer than %d MiB", maxBody>>20)
)

// An Answer is what came back, whatever its status.
type Answer struct {
	Status int
	Header http.Header

	body     []byte
	cut      bool // the connection was lost on the way
	tooLarge bool // there is more than maxBody
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
	case a.tooLarge:
		return errTooLarge
	case a.Status == http.StatusNoContent && out == nil:
		return nil
	case len(bytes.TrimSpace(a.body)) == 0:
		return errEmpty
	case a.isPage():
		return ErrWebPage
	case !json.Valid(a.body):
		return errNotJSON
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(a.body, out); err != nil {
		return fmt.Errorf("the answer is not understood: %s", Clip(err.Error()))
	}
	if r.Check != nil {
		return r.Check()
	}
	return nil
}

// isPage reports whether the answer is HTML.
func (a Answer) isPage() bool {
	return strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") ||
		bytes.HasPrefix(bytes.TrimSpace(a.body), []byte("<"))
}
