package iiifunction

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/apierror"
	"github.com/parley-run/parley/executors/wire"
	"github.com/parley-run/parley/internal/foreign"
	"github.com/parley-run/parley/internal/httpclient"
)

// A refusal is an answer of AgentOS in place of the agent's: a result in its TypeScript
// generation, an error in the Rust one.
type refusal struct {
	kind       conversation.Kind
	text       string
	retryAfter time.Duration
	// unknown: the agent may have begun.
	unknown bool
}

func (r *refusal) Error() string { return r.text }

// refusals are the texts of AgentOS, which has no codes. The first match counts.
var refusals = []struct {
	pattern *regexp.Regexp
	kind    conversation.Kind
	unknown bool
}{
	{regexp.MustCompile(`(?i)rate limit|too many (concurrent )?requests`), conversation.RateLimited, false},
	{regexp.MustCompile(`(?i)exceeded (token quota|its budget)`), conversation.QuotaExhausted, false},
	{regexp.MustCompile(`(?i)^agent \S+ denied: |has no capabilities defined`), conversation.Unauthorized, false},
	{regexp.MustCompile(`(?i)message rejected|injection detected`), conversation.Refused, false},
	{regexp.MustCompile(`(?i)missing or invalid agentId|^agent \S+ not found|^missing (field|required)|unknown provider`), conversation.Invalid, false},
	{regexp.MustCompile(`(?i)is shutting down`), conversation.Unavailable, false},
	{regexp.MustCompile(`(?i)prompt is too long|context[_ ]length|maximum context`), conversation.ContextTooLong, false},
	{regexp.MustCompile(`(?i)chat timeout exceeded`), conversation.Unavailable, true},
}

var (
	// wrapped is the prefix of errors of Rust workers.
	wrapped = regexp.MustCompile(`^(handler error: |Error: )+`)
	// status is the HTTP status in an error of a model's provider that AgentOS passes on.
	status = regexp.MustCompile(`\bAPI error:? \(?(\d{3})\b|^(\d{3}) `)
)

// parseRefusal recognizes a text of AgentOS, or an error of a model's provider that it
// passes on. Nil: it is neither.
func parseRefusal(text string) *refusal {
	text = wrapped.ReplaceAllString(strings.TrimSpace(text), "")
	wait := retryAfter(text)
	code, body := passedOn(text)
	if kind, ok := meaning(code, body, wait); ok {
		return &refusal{kind: kind, text: text, retryAfter: wait}
	}
	for _, r := range refusals {
		if r.pattern.MatchString(text) {
			return &refusal{kind: r.kind, text: text, retryAfter: wait, unknown: r.unknown}
		}
	}
	switch {
	case code == 0:
		return nil
	case isForeign(code, body):
		return &refusal{kind: conversation.Unavailable, text: text, retryAfter: wait}
	}
	return &refusal{kind: wire.StatusKind(code, wait), text: text, retryAfter: wait}
}

// passedOn returns the status and the body of a provider's error in a text, or 0.
func passedOn(text string) (code int, body string) {
	at := status.FindStringSubmatchIndex(text)
	if at == nil {
		return 0, ""
	}
	found := status.FindStringSubmatch(text)
	code, _ = strconv.Atoi(found[1] + found[2]) // three digits
	if code < 400 || code > 599 {
		return 0, ""
	}
	return code, strings.TrimLeft(text[at[1]:], "): -")
}

// meaning returns the kind that the body of a provider's error states, as for executors
// that ask the provider themselves.
func meaning(code int, body string, wait time.Duration) (conversation.Kind, bool) {
	if code == 0 || isForeign(code, body) {
		return "", false
	}
	report, ok := apierror.Read([]byte(body))
	if !ok {
		return "", false
	}
	if _, ok := report.Meaning(code, apierror.Table{}); !ok {
		return "", false
	}
	return report.Kind(code, wait, apierror.Table{}), true
}

// isForeign reports whether a body does not come from the provider itself, as an HTML page
// does not.
func isForeign(code int, body string) bool {
	return body != "" && foreign.Find(code, nil, []byte(body), func() bool { return true }) != nil
}

// retryAfter is the time until a retry in a text, zero if there is none.
func retryAfter(text string) time.Duration { return httpclient.WaitOf(0, text) }
