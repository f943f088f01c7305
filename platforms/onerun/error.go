package onerun

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/parley-run/parley/conversation"
)

// An AnswerError is an answer whose status says failure.
type AnswerError struct {
	Status int
	// Detail is what the server said about it, shortened. It may be empty.
	Detail string
	page   bool
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

// Unwrap tells whether the answer was a web page.
func (e *AnswerError) Unwrap() error {
	if e.page {
		return errWebPage
	}
	return nil
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
	e.Op = "onerun: " + c.redact(r.op)
	return e
}

// statusError gives an answer that says failure its kind.
func (c *Client) statusError(r request, a answer) *conversation.Error {
	e := &conversation.Error{
		Kind: conversation.Invalid,
		Err:  &AnswerError{Status: a.status, Detail: c.detail(a), page: a.isPage()},
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
		e.Remedy = "check api_key, or ONERUN_API_KEY, against the server's AUTH_API_KEY"
	case a.status == http.StatusPaymentRequired:
		e.Kind = conversation.QuotaExhausted
		e.Remedy = "see to the account's balance or limits"
		if e.RetryAfter = retryAfter(a.header); e.RetryAfter > 0 {
			// A time to come back at means that it passes by itself.
			e.Kind, e.Remedy = conversation.RateLimited, ""
		}
	case a.status == http.StatusNotFound:
		e.Kind = conversation.NotFound
	case a.status == http.StatusConflict && r.conflict != "":
		e.Kind = r.conflict
		// An earlier attempt may still be at work, where a server locks.
		e.MayHaveLanded = r.conflict == conversation.Unavailable
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
		return "the server redirects: set base_url to where the API is"
	}
	return c.redact(fmt.Sprintf("the server redirects to %s://%s: set base_url to where the API is", to.Scheme, to.Host))
}

// detail is what a failing answer says, in one short line without secrets.
func (c *Client) detail(a answer) string {
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
	return clip(c.redact(text))
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

// secrets are what must not show up in an error. Header values shorter than
// eight bytes are not taken for secrets: they would black out ordinary words.
func secrets(key string, headers []string) []string {
	all := []string{key, url.QueryEscape(key)}
	for _, value := range headers {
		if len(value) >= 8 {
			all = append(all, value)
			if _, token, found := strings.Cut(value, " "); found && len(token) >= 8 {
				all = append(all, token)
			}
		}
	}
	return all
}

// redact takes the secrets out of s.
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
