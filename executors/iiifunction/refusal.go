package iiifunction

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/parley-run/parley/conversation"
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

// parseRefusal recognizes a text of AgentOS. Nil: it is none of the known ones.
func parseRefusal(text string) *refusal {
	text = wrapped.ReplaceAllString(strings.TrimSpace(text), "")
	for _, r := range refusals {
		if r.pattern.MatchString(text) {
			return &refusal{kind: r.kind, text: text, retryAfter: retryAfter(text), unknown: r.unknown}
		}
	}
	if at := status.FindStringSubmatchIndex(text); at != nil {
		found := status.FindStringSubmatch(text)
		code, _ := strconv.Atoi(found[1] + found[2]) // three digits
		if code < 400 || code > 599 {
			return nil
		}
		out := &refusal{kind: wire.StatusKind(code, retryAfter(text)), text: text, retryAfter: retryAfter(text)}
		// An HTML page does not come from the provider itself.
		body := strings.TrimLeft(text[at[1]:], "): -")
		if body != "" && foreign.Find(code, nil, []byte(body), func() bool { return true }) != nil {
			out.kind = conversation.Unavailable
		}
		return out
	}
	return nil
}

// retryAfter is the time until a retry in a text, zero if there is none.
func retryAfter(text string) time.Duration { return httpclient.WaitOf(0, text) }
