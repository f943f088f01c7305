package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/httpclient"
)

// An AnswerError is an answer whose status says failure.
type AnswerError struct {
	Status int
	// Detail is what the server said about it, shortened. It may be empty.
	Detail  string
	page    bool
	foreign string // the service whose answer this is not
}

// Error is the status and the detail.
func (e *AnswerError) Error() string {
	s := fmt.Sprint(e.Status)
	if text := http.StatusText(e.Status); text != "" {
		s += " " + text
	}
	if e.Detail != "" && e.Detail != http.StatusText(e.Status) {
		s += ": " + conversation.Quote(e.Detail)
	}
	if e.foreign != "" && e.Status >= 400 {
		s += "; this is not " + e.foreign + "'s own answer"
	}
	return s
}

// HTTPStatus is the status, of the platform or of a proxy: see platforms.Overloaded.
func (e *AnswerError) HTTPStatus() int { return e.Status }

// Unwrap is [ErrWebPage] if the answer was a web page.
func (e *AnswerError) Unwrap() error {
	if e.page {
		return ErrWebPage
	}
	return nil
}

// Foreign reports whether the answer came from something in front of the service: a
// proxy, a login page, another server. Its status says nothing about the service.
func (e *AnswerError) Foreign() bool { return e.foreign != "" }

// Foreign reports whether err is an answer that came from something in front of the
// service.
func Foreign(err error) bool {
	a := (*AnswerError)(nil)
	return errors.As(err, &a) && a.Foreign()
}

// StatusOf is the status of the AnswerError in err, or 0: also where the answer is not
// the service's own.
func StatusOf(err error) int {
	if a := (*AnswerError)(nil); errors.As(err, &a) {
		return a.Status
	}
	return 0
}

// Wait is the wait that an answer which is no success asks for.
func (a Answer) Wait() time.Duration { return httpclient.ResponseWait(a.Status, a.Header, a.body) }

// refused gives an answer that says failure its kind.
func (c *Client) refused(r Request, a Answer) *conversation.Error {
	answer := &AnswerError{Status: a.Status, Detail: c.detail(a), page: a.isPage()}
	e := &conversation.Error{Kind: conversation.Invalid, Err: answer}
	foreign := c.Own != nil && !c.Own(a)
	switch {
	case a.Status >= 500:
		e.Kind = conversation.Unavailable
		e.RetryAfter = a.Wait()
		e.Ambiguous = r.Writes
		// The server's own failure. Behind 502, 503 and 504 it may still be at work.
		e.Answered = a.Status == http.StatusInternalServerError && !a.cut && !a.isPage()
	case a.Status == http.StatusTooManyRequests:
		e.Kind = conversation.RateLimited
		e.RetryAfter = a.Wait()
	case foreign, a.Status >= 300 && a.Status < 400:
		answer.foreign = c.Words.Service
		e.Kind = conversation.Unavailable
		e.RetryAfter = a.Wait()
		e.Ambiguous = r.Writes
		// What is in front of the service has answered by itself: it has not passed the
		// request on, or has done with it. Only 408 and 425 leave that open.
		e.Answered = r.Writes && !a.cut && a.Status != http.StatusRequestTimeout && a.Status != http.StatusTooEarly
		if a.Status < 400 {
			e.Remedy = c.redirectRemedy(a)
		}
	case a.Status == http.StatusUnauthorized, a.Status == http.StatusForbidden:
		e.Kind = conversation.Unauthorized
		e.Remedy = c.Words.Key
	case a.Status == http.StatusNotFound:
		e.Kind = conversation.NotFound
	case a.Status == http.StatusConflict && r.Conflict != "":
		e.Kind = r.Conflict
		// An earlier attempt may still be at work, where a server locks.
		e.Ambiguous = r.Conflict == conversation.Unavailable
	case a.Status == http.StatusRequestTimeout, a.Status == http.StatusTooEarly:
		e.Kind = conversation.Unavailable
		e.Ambiguous = r.Writes
	}
	if c.Judge != nil && answer.foreign == "" {
		c.Judge(a, e)
	}
	// Gateways make pages of their own out of 502, 503 and 504.
	if a.isPage() && e.Remedy == "" && a.Status < 500 {
		e.Remedy = c.PageRemedy()
	}
	return e
}

func (c *Client) redirectRemedy(a Answer) string {
	what := fmt.Sprintf("set %s to where %s is", c.Words.Setting, c.Words.Place)
	to, err := url.Parse(a.Header.Get("Location"))
	if err != nil || to.Host == "" {
		return "the server redirects: " + what
	}
	return c.redact(fmt.Sprintf("the server redirects to %s://%s: %s", to.Scheme, to.Host, what))
}

// detail is what a failing answer says, in one short line without secrets.
func (c *Client) detail(a Answer) string {
	if a.isPage() {
		return "a web page"
	}
	text := ""
	var body struct {
		Detail  json.RawMessage `json:"detail"`
		Message json.RawMessage `json:"message"`
		Error   json.RawMessage `json:"error"`
	}
	if json.Unmarshal(a.body, &body) == nil {
		for _, raw := range []json.RawMessage{body.Detail, body.Message, body.Error} {
			if text = detailText(raw); text != "" {
				break
			}
		}
	}
	if text == "" {
		text = string(a.body[:min(len(a.body), 16<<10)])
	}
	return Clip(c.redact(text))
}

// detailText renders the shapes that a detail comes in: text, a list of faults,
// or an object with a message.
func detailText(raw json.RawMessage) string {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return ""
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var faults []json.RawMessage
	if json.Unmarshal(raw, &faults) == nil {
		var lines []string
		for _, f := range faults {
			lines = append(lines, faultText(f))
		}
		return strings.Join(lines, "; ")
	}
	var object struct {
		Message string `json:"message"`
		Msg     string `json:"msg"`
	}
	if json.Unmarshal(raw, &object) == nil && object.Message+object.Msg != "" {
		return object.Message + object.Msg
	}
	return string(raw)
}

// faultText renders one entry of a 422: "query.project_id: Field required". The
// input it quotes is left out, for it may be anything.
func faultText(raw json.RawMessage) string {
	var fault struct {
		Loc []any  `json:"loc"`
		Msg string `json:"msg"`
	}
	if json.Unmarshal(raw, &fault) != nil || fault.Msg == "" {
		return detailText(raw)
	}
	var where []string
	for _, l := range fault.Loc {
		where = append(where, fmt.Sprint(l))
	}
	if len(where) == 0 {
		return fault.Msg
	}
	return strings.Join(where, ".") + ": " + fault.Msg
}
