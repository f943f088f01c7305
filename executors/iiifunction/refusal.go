package iiifunction

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/wire"
	"github.com/parley-run/parley/internal/foreign"
)

// A refusal is what AgentOS says in place of the agent: as an answer in its
// TypeScript generation, as an error in the Rust one.
type refusal struct {
	kind       conversation.Kind
	text       string
	retryAfter time.Duration
	// unknown: the agent may have begun.
	unknown bool
}

func (r *refusal) Error() string { return r.text }

// AgentOS has no codes: its words are all there is. The first that fits counts.
var words = []struct {
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
	// wrapped is what Rust workers put before their errors.
	wrapped = regexp.MustCompile(`^(handler error: |Error: )+`)
	// status is how AgentOS passes on what a model's provider has answered.
	status = regexp.MustCompile(`\bAPI error:? \(?(\d{3})\b|^(\d{3}) `)
	// delay is how long AgentOS, or another function, asks to wait.
	delay = regexp.MustCompile(`(?i)\bretry[- ]after:? (\d{1,7}(?:\.\d{1,3})?) ?s?\b`)
)

// inWords finds out what AgentOS's words mean. Nil: they are none that are known.
func inWords(text string) *refusal {
	text = wrapped.ReplaceAllString(strings.TrimSpace(text), "")
	for _, w := range words {
		if w.pattern.MatchString(text) {
			return &refusal{kind: w.kind, text: text, retryAfter: asked(text), unknown: w.unknown}
		}
	}
	if at := status.FindStringSubmatchIndex(text); at != nil {
		found := status.FindStringSubmatch(text)
		code, _ := strconv.Atoi(found[1] + found[2]) // three digits
		if code < 400 || code > 599 {
			return nil
		}
		out := &refusal{kind: wire.StatusKind(code, asked(text)), text: text, retryAfter: asked(text)}
		// A page is not what the provider itself has answered.
		body := strings.TrimLeft(text[at[1]:], "): -")
		if body != "" && foreign.Find(code, nil, []byte(body), func() bool { return true }) != nil {
			out.kind = conversation.Unavailable
		}
		return out
	}
	return nil
}

// asked is how long a text asks to wait.
func asked(text string) time.Duration {
	found := delay.FindStringSubmatch(text)
	if found == nil {
		return 0
	}
	seconds, _ := strconv.ParseFloat(found[1], 64) // digits
	return min(time.Duration(seconds*float64(time.Second)), modelcall.MaxRetryAfter)
}
