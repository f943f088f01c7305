package apierror

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/httpclient"
)

// A Table is what one vendor's errors mean beyond the common tables, and which of our
// settings lead to the parameters that they name.
type Table struct {
	// Codes are the kinds of codes that have one meaning with this vendor, lower case.
	Codes map[string]conversation.Kind
	// Remedies are the remedies of kinds. Without a remedy for a kind there is none.
	Remedies map[conversation.Kind]string
	// NotFound is the remedy for a 404 whose message names no model.
	NotFound string
	// APIRemedy is appended to the advice to check base_url.
	APIRemedy string
	// Settings maps a parameter of the vendor to the setting that leads to it, and
	// Extra says how to set and to remove another: see [Extra].
	Settings map[string]string
	Extra    Extra
}

// Kind is the meaning of the error, with the status of the response, or 0 if that was a
// success, and the wait that its header asks for.
func (e Error) Kind(status int, retryAfter time.Duration, t Table) conversation.Kind {
	if retryAfter == 0 {
		retryAfter = e.RetryAfter
	}
	if kind, ok := e.Meaning(status, t); ok {
		if kind == conversation.RateLimited && e.isForLong(retryAfter) {
			return conversation.QuotaExhausted
		}
		return kind
	}
	status = e.effective(status)
	kind := StatusKind(status, retryAfter)
	if kind == conversation.RateLimited && e.isForLong(retryAfter) {
		return conversation.QuotaExhausted
	}
	return kind
}

// Meaning is the kind that the codes and the message give, whatever the status. It reports
// false if they give none.
func (e Error) Meaning(status int, t Table) (conversation.Kind, bool) {
	codes := e.codes()
	for _, code := range codes {
		if kind, ok := t.Codes[code]; ok && !e.tooLargeForLimit() {
			return kind, true
		}
	}
	if kind, ok := e.numbered(); ok {
		return kind, true
	}
	if e.tooLargeForLimit() {
		return conversation.ContextTooLong, true
	}
	if e.outputTooLarge() {
		return conversation.Invalid, true
	}
	for _, code := range codes {
		if kind, ok := sure[code]; ok {
			return kind, true
		}
	}
	if e.lasting {
		return conversation.QuotaExhausted, true
	}
	if slices.ContainsFunc(e.Words, perMinute.MatchString) {
		return conversation.RateLimited, true
	}
	if kind, ok := spokenKind(e.words(), e.effective(status)); ok {
		return e.unlessBrief(kind), true
	}
	for _, code := range codes {
		if kind, ok := general[code]; ok && weighs(kind, e.effective(status)) {
			return kind, true
		}
	}
	return "", false
}

// effective is the status that counts: the response's, unless the one in the body says
// more.
func (e Error) effective(status int) int {
	if status >= 200 && status <= 299 {
		status = 0
	}
	switch {
	case e.Status == 0:
		return status
	case status == 0:
		return e.Status
	case status == http.StatusBadRequest || status >= 500:
		switch e.Status {
		case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden, http.StatusRequestTimeout,
			http.StatusRequestEntityTooLarge, http.StatusTooManyRequests:
			return e.Status
		}
		if e.Status >= 500 {
			return e.Status
		}
	}
	return status
}

// Waits from which a refusal is one of a quota and not of a rate.
const (
	longWait = time.Hour // where the message speaks of a day, a week or a month
	dayWait  = 12 * time.Hour
)

// isForLong reports whether the limit that was reached is one of a day or longer.
func (e Error) isForLong(retryAfter time.Duration) bool {
	if perDay.MatchString(e.Message) && !perMinute.MatchString(e.Message) {
		return retryAfter == 0 || retryAfter >= longWait
	}
	named, _ := httpclient.Wait(e.Message)
	return named >= dayWait
}

var (
	perDay    = regexp.MustCompile(`(?i)per[-_ ]?(day|week|month)|\b(daily|weekly|monthly)\b|\b(tpd|rpd)\b|(一天|每日|每天|当日|每月|每周)`)
	perMinute = regexp.MustCompile(`(?i)per[-_ ]?(min|sec|hour)|\b(tpm|rpm|qps|rps)\b`)
)

// words is the message without what it quotes: a text of several words between quotes is
// the conversation's more often than the provider's. Where little else is left, the
// quotation is the message.
func (e Error) words() string {
	rest := quoted.ReplaceAllString(e.Message, "$1…$2")
	if len(strings.Fields(rest)) < 4 {
		return e.Message
	}
	return rest
}

var quoted = regexp.MustCompile(`(^|[\s:=(\[,{])(?:"[^"]*\s[^"]*"|“[^”]*\s[^”]*”|'[^']*\s[^']*')([\s.,;:)\]}]|$)`)

// tooLargeForLimit reports whether one request has more tokens than the limit of a
// minute or a day: to wait does not help, to send less does.
func (e Error) tooLargeForLimit() bool {
	if tooLargeForRate.MatchString(e.Message) {
		return true
	}
	found := limitRequested.FindStringSubmatch(e.Message)
	return found != nil && number(found[2]) > number(found[1]) && strings.Contains(strings.ToLower(e.Message), "token")
}

var (
	tooLargeForRate = regexp.MustCompile(`(?i)request too large.{0,300}(tokens per|\btpm\b|\btpd\b)|(input or output tokens|size of (the|your) (message|request)) must be reduced`)
	limitRequested  = regexp.MustCompile(`(?i)limit:? (\d[\d,]*),? .{0,60}requested:? (\d[\d,]*)`)
)

// outputTooLarge reports whether the answer alone is to be longer than the model's context:
// to send less does not help.
func (e Error) outputTooLarge() bool {
	found := outputAndContext.FindStringSubmatch(e.Message)
	return found != nil && number(found[1]) >= number(found[2])
}

var outputAndContext = regexp.MustCompile(`(?i)max_(?:completion_)?tokens\W.{0,40}too large: (\d+).{0,80}maximum context length is (\d+)`)

func number(s string) int {
	n := 0
	for _, c := range s {
		if c >= '0' && c <= '9' && n < 1<<40 {
			n = 10*n + int(c-'0')
		}
	}
	return n
}

// numbered is the kind of a number that means something with the vendor whose shape the
// body has.
func (e Error) numbered() (conversation.Kind, bool) {
	switch e.scheme {
	case "base_resp":
		kind, ok := minimax[e.Code]
		return kind, ok
	case "error_code":
		kind, ok := baidu[e.Code]
		return kind, ok
	}
	kind, ok := zhipu[e.Code]
	return kind, ok
}

// unlessBrief is the kind of a message, or RateLimited for a quota that is renewed within
// the hour.
func (e Error) unlessBrief(kind conversation.Kind) conversation.Kind {
	brief := e.RetryAfter > 0 && e.RetryAfter < longWait
	if kind == conversation.QuotaExhausted && brief && !perDay.MatchString(e.Message) && !empty.MatchString(e.words()) {
		return conversation.RateLimited
	}
	return kind
}

// IsOfAccount reports whether a code says that the key or the account is at fault, and not
// the request.
func (e Error) IsOfAccount() bool {
	for _, code := range e.codes() {
		if kind := sure[code]; kind == conversation.Unauthorized || kind == conversation.QuotaExhausted {
			return true
		}
	}
	return false
}
