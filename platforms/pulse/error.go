package pulse

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/parley-run/parley/conversation"
)

// An AnswerError is an answer whose status says failure.
type AnswerError struct {
	Status int
	// Detail is what the server said about it, shortened. It may be empty.
	Detail string
}

// Error is the status and the detail.
func (e *AnswerError) Error() string {
	s := fmt.Sprint(e.Status)
	if text := http.StatusText(e.Status); text != "" {
		s += " " + text
	}
	if e.Detail != "" && e.Detail != http.StatusText(e.Status) {
		s += ": " + e.Detail
	}
	return s
}

// statusOf is the status of the AnswerError in err, or 0.
func statusOf(err error) int {
	if a := (*AnswerError)(nil); errors.As(err, &a) {
		return a.Status
	}
	return 0
}

// fail completes e with what was tried.
func (c *Client) fail(r request, e *conversation.Error) error {
	e.Op = "pulse: " + c.redact(r.op)
	return e
}

// statusError gives an answer that says failure its kind.
func (c *Client) statusError(r request, a answer) *conversation.Error {
	e := &conversation.Error{
		Kind: conversation.Invalid,
		Err:  &AnswerError{Status: a.status, Detail: c.detail(a)},
	}
	switch {
	case a.status >= 500:
		e.Kind = conversation.Unavailable
		e.RetryAfter = retryAfter(a.header)
		e.MayHaveLanded = r.writes
		// The server's own failure. Behind 502, 503 and 504 it may still be at work.
		e.Answered = a.status == http.StatusInternalServerError && !a.cut
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden:
		e.Kind = conversation.Unauthorized
		e.Remedy = "check api_key, or PULSE_API_KEY, against the server's API_KEY"
	case a.status == http.StatusNotFound:
		e.Kind = conversation.NotFound
	case a.status == http.StatusRequestTimeout, a.status == http.StatusTooEarly:
		e.Kind = conversation.Unavailable
		e.MayHaveLanded = r.writes
	case a.status == http.StatusTooManyRequests:
		e.Kind = conversation.RateLimited
		e.RetryAfter = retryAfter(a.header)
	case a.status >= 300 && a.status < 400:
		e.Remedy = c.redirectRemedy(a)
	}
	// Gateways make pages of their own out of 502, 503 and 504.
	if a.isPage() && e.Remedy == "" && a.status < 500 {
		e.Remedy = c.pageRemedy()
	}
	return e
}

func (c *Client) redirectRemedy(a answer) string {
	to, err := url.Parse(a.header.Get("Location"))
	if err != nil || to.Host == "" {
		return "the server redirects: set url to where Pulse is"
	}
	return c.redact(fmt.Sprintf("the server redirects to %s://%s: set url to where Pulse is", to.Scheme, to.Host))
}

// detail is what a failing answer says, in one short line without secrets.
func (c *Client) detail(a answer) string {
	if a.isPage() {
		return "a web page"
	}
	var body struct {
		Detail json.RawMessage `json:"detail"`
	}
	text := ""
	if json.Unmarshal(a.body, &body) == nil {
		text = detailText(body.Detail)
	}
	if text == "" {
		text = string(a.body[:min(len(a.body), 16<<10)])
	}
	return clip(c.redact(text))
}

// detailText renders the shapes that a detail comes in: text, or a list of faults
// such as "body.worker_id: Field required". The input that a fault quotes is left
// out, for it may be anything.
func detailText(raw json.RawMessage) string {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return ""
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var faults []struct {
		Loc []any  `json:"loc"`
		Msg string `json:"msg"`
	}
	if json.Unmarshal(raw, &faults) != nil {
		return string(raw)
	}
	var lines []string
	for _, f := range faults {
		var where []string
		for _, l := range f.Loc {
			where = append(where, fmt.Sprint(l))
		}
		lines = append(lines, strings.TrimPrefix(strings.Join(where, ".")+": "+f.Msg, ": "))
	}
	return strings.Join(lines, "; ")
}

// retryAfter is how long the server asks to wait, in seconds or as a date. Zero:
// it does not say.
func retryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if d, ok := number(value, time.Second); ok {
		return d
	}
	until, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	// The server's clock, where it shows: ours may differ.
	return max(0, until.Sub(answer{header: h}.serverTime()))
}

func number(s string, unit time.Duration) (time.Duration, bool) {
	n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || math.IsNaN(n) {
		return 0, false
	}
	if n*float64(unit) >= math.MaxInt64 {
		return math.MaxInt64, true
	}
	return max(0, time.Duration(n*float64(unit))), true
}

// clip makes s one line of at most 300 bytes.
func clip(s string) string {
	const limit = 300
	s = strings.ToValidUTF8(s[:min(len(s), 4*limit)], "")
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return s
}

// redact takes the key out of s.
func (c *Client) redact(s string) string {
	for _, secret := range c.secrets {
		s = strings.ReplaceAll(s, secret, "[redacted]")
	}
	return s
}

// redacted is an error whose text has been cleaned.
type redacted struct {
	text string
	err  error
}

func (e *redacted) Error() string { return e.text }
func (e *redacted) Unwrap() error { return e.err }
