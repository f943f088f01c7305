package httpclient

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Wait finds the wait that a text asks for, within the bounds of [RetryAfter]: "Please
// try again in 8h32m", "retry after 86400 seconds", "wait 20 minutes", "resets at
// 2026-11-29T00:00:00Z", or a duration or date by itself. It reports false for a text
// that names none, as "try again tomorrow" does not.
//
// A peer that says when to ask again is believed before one that says when its limit is
// renewed, and the first of several counts.
func Wait(text string) (time.Duration, bool) { return waitAt(text, time.Now()) }

// WaitOf is the wait that a peer asks for in numbers, such as headers, and in words: the
// longer one. To ask earlier than the longer one would be refused once more, and costs an
// attempt; proxies and gateways add a short wait of their own to the provider's text.
func WaitOf(numbers time.Duration, text string) time.Duration {
	words, _ := Wait(text)
	return max(numbers, words)
}

func waitAt(text string, now time.Time) (time.Duration, bool) {
	text = strings.TrimSpace(text)
	if _, err := strconv.ParseFloat(text, 64); err != nil { // a number by itself is a code
		if seconds, ok := value(text, time.Second, now); ok {
			return Delay(seconds, time.Second), true
		}
	}
	if len(text) > maxWords {
		text = text[:maxWords]
	}
	for _, leads := range []*regexp.Regexp{again, renewed} {
		for _, at := range leads.FindAllStringSubmatchIndex(text, maxLeads) {
			unit := time.Second
			if at[2] >= 0 { // retry_after_ms
				unit = time.Millisecond
			}
			if seconds, ok := operand(text[at[1]:], unit, now); ok {
				return Delay(seconds, time.Second), true
			}
		}
	}
	for _, at := range before.FindAllStringIndex(text, maxLeads) { // "in 30 seconds, try again"
		if seconds, rest, ok := span(text[at[1]:]); ok && (thenAgain.MatchString(rest) || strings.Trim(text[:at[0]]+rest, " .!") == "") {
			return Delay(seconds, time.Second), true
		}
	}
	if m := chinese.FindString(text); m != "" {
		if seconds, _, ok := span(m); ok {
			return Delay(seconds, time.Second), true
		}
	}
	return 0, false
}

const (
	maxWords = 8 << 10
	maxLeads = 20
)

// What stands before a wait. The first group means that a plain number is in
// milliseconds.
var (
	again = regexp.MustCompile(`(?i)(?:` +
		// try again in, retry your request after, retrying in, ask again at, come back in
		`\b(?:(?:re)?try(?:ing)?|ask|call|check|come|be)(?: (?:again|back|it|this|that|your|the|request|call|later|once|more|available|ready|unlocked|restored|reset)){0,4}[ ,]*(?:in|after|at|on|within)(?: (?:or )?(?:after|at|on))?` +
		// retry-after: 5, "retry_after_ms": 1500, retryDelay: "34s"
		`|\bretry[-_ ]?(?:after|delay|in)[-_ ]?(?:(ms|millis(?:econds)?)|s|secs?|seconds?)?\\?["']?(?:[ ]?[:=(]|[ ])` +
		// please wait for another 20 minutes; wait until; wait time: 5s
		`|\bwait(?:[-_ ](?:for|time|until|seconds))?\\?["']?[ ]?[:=(]?` +
		`|\b(?:not |un)?available(?: again)?[ ]?(?:in|after|at|on|from|until|for)` +
		`|\b(?:blocked|locked|banned|suspended|paused|throttled|limited|unavailable|disabled|cool(?:ing)?[ -]?down)(?: period)?(?: (?:for|until|of)|[:=])` +
		`|\bregain access (?:on|at|in|after)` +
		`|\b(?:next|another)(?: \w+){0,3} (?:allowed|possible|available|accepted)? ?(?:in|after|at)` +
		`)`)
	renewed = regexp.MustCompile(`(?i)(?:` +
		`\b(?:reset|renew|refresh|refill|restore|replenish|recover|expire|lift|unlock)(?:s|ed|ing|es)?(?:[-_ ]?(?:time|date|in|after|at|on))?(?: (?:in|after|at|on))?(?:[-_ ](?:(ms|millis(?:econds)?)|seconds|secs?))?\\?["']?[ ]?[:=(]?` +
		`|\blimit reached ?\|` + // and the seconds since 1970
		`|\buntil` +
		`)`)
	before    = regexp.MustCompile(`(?i)\b(?:in|after) `)
	thenAgain = regexp.MustCompile(`(?i)^[ ,]*(?:(?:and|then|please|you (?:can|may)) ){0,3}(?:re)?try\b(?: (?:again|it|once more|your request))?(?:[ ]?[.!;,)]|$)`)
	chinese   = regexp.MustCompile(`[0-9.]+ ?(?:秒钟?|分钟?|小时|天) ?(?:之?后|再)`)
	// filler may stand between that and the wait.
	filler = regexp.MustCompile(`(?i)^(?:[ \\"'*_~≈≥>=:(]|(?:about|approximately|approx|around|roughly|at least|at most|another|up to|the next|for|in|an additional|more than)\b[. ]?)*`)
	// dated is a date of one of the forms that moment knows.
	dated = regexp.MustCompile(`(?i)^(?:[0-9]{4}-[0-9]{2}-[0-9]{2}(?:(?:T| at |[ ])[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.][0-9]+)?)?(?: ?Z| ?[+-][0-9]{2}:?[0-9]{2}| UTC| GMT)?)?` +
		`|[a-z]{3,9}, [0-9]{1,2}[- ][a-z]{3}[- ][0-9]{2,4} [0-9:]{8}(?: GMT| UTC| [+-][0-9]{4})?` +
		`|[a-z]{3} [a-z]{3} [ 0-9][0-9] [0-9:]{8} [0-9]{4})`)
	plain = regexp.MustCompile(`^[0-9]+(?:[.][0-9]+)?`)
	// counted follows a plain number that counts something else than seconds.
	counted = regexp.MustCompile(`^[0-9%:/-]|^[ ]?[\pL]`)
)

// operand reads the wait that a text begins with.
func operand(text string, unit time.Duration, now time.Time) (seconds float64, ok bool) {
	text = text[len(filler.FindString(text)):]
	if s := dated.FindString(text); s != "" {
		if at, ok := moment(strings.Replace(s, " Z", "Z", 1)); ok {
			return max(0, at.Sub(now).Seconds()), true
		}
	}
	if seconds, _, ok := span(text); ok {
		return seconds, true
	}
	digits := plain.FindString(text)
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil || counted.MatchString(text[len(digits):]) {
		return 0, false
	}
	return number(n, unit, now)
}
