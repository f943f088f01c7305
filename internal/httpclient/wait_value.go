package httpclient

import (
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Value reads a wait that a header or a field of a body holds by itself, within the
// bounds of [RetryAfter]: a number of units, with a fraction or not; a date of HTTP or
// RFC 3339; seconds, milliseconds and smaller units since 1970; a duration with units
// ("6m0s", "2 days", "1h 30m", "00:01:30") or of ISO 8601 ("PT1M30S"). What lies in the
// past is no wait. It reports false for what is negative or none of these.
func Value(s string, unit time.Duration, now time.Time) (time.Duration, bool) {
	seconds, ok := value(s, unit, now)
	return Delay(seconds, time.Second), ok
}

// value is [Value] in seconds, from 0 without an upper bound.
func value(s string, unit time.Duration, now time.Time) (seconds float64, ok bool) {
	s = strings.Trim(strings.TrimSpace(s), `"'`)
	if len(s) > maxValue {
		return 0, false
	}
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		return number(n, unit, now)
	}
	if at, ok := moment(s); ok {
		return max(0, at.Sub(now).Seconds()), true
	}
	if seconds, rest, ok := span(s); ok && strings.Trim(rest, " .") == "" {
		return seconds, true
	}
	// Proxies join headers that came twice, and some peers add a comment.
	if i := strings.IndexAny(s, ",;"); i > 0 {
		if n, err := strconv.ParseFloat(strings.TrimSpace(s[:i]), 64); err == nil {
			return number(n, unit, now)
		}
	}
	return 0, false
}

// maxValue is longer than any wait that is written as a value.
const maxValue = 100

// number reads a count of units, or of a unit of time since 1970. No peer means decades:
// a number that is a time of this century counts as one.
func number(n float64, unit time.Duration, now time.Time) (seconds float64, ok bool) {
	if !(n >= 0) { // NaN is not
		return 0, false
	}
	if since, ok := sinceEpoch(n); ok {
		return max(0, since-float64(now.UnixNano())/1e9), true
	}
	return n * unit.Seconds(), true
}

// The times from 2001 to 2100, in seconds since 1970.
const firstEpoch, lastEpoch = 1e9, 4.2e9

// sinceEpoch recognizes a time in seconds, milliseconds, microseconds or nanoseconds.
func sinceEpoch(n float64) (seconds float64, ok bool) {
	for _, each := range []float64{1, 1e3, 1e6, 1e9} {
		if n >= firstEpoch*each && n <= lastEpoch*each {
			return n / each, true
		}
	}
	return 0, false
}

// layouts are the dates that peers write beside those of HTTP. One without a zone is in
// UTC.
var layouts = []string{
	time.RFC3339, "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 -0700", "2006-01-02T15:04:05-0700",
	"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02 15:04 -0700", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02",
	time.RFC1123Z, "Mon, 2 Jan 2006 15:04:05 -0700", "Mon, 2 Jan 2006 15:04:05", "Monday, 02-Jan-06 15:04:05", time.ANSIC,
}

// moment reads a date.
func moment(s string) (time.Time, bool) {
	if at, err := http.ParseTime(s); err == nil {
		return at, true
	}
	s = strings.Replace(strings.ToUpper(s), " AT ", " ", 1) // "2026-12-01 at 00:00 UTC"
	for _, zone := range []string{" GMT", " UTC"} {
		s = strings.TrimSuffix(s, zone)
	}
	for _, layout := range layouts {
		if at, err := time.Parse(layout, s); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

var (
	isoSpan = regexp.MustCompile(`^P(?:([0-9.]+)W)?(?:([0-9.]+)D)?(?:T(?:([0-9.]+)H)?(?:([0-9.]+)M)?(?:([0-9.]+)S)?)?(?:\b|$)`)
	clock   = regexp.MustCompile(`^(?:([0-9]{1,3})[.])?([0-9]{1,2}):([0-5][0-9]):([0-5][0-9](?:[.][0-9]+)?)(?:\b|$)`)
	// part is a number and a unit: "1h", "30 sec", "1,800 seconds", "2-3 minutes".
	part = regexp.MustCompile(`^[ ,]*(?:and )?(?:[0-9.]+ ?(?:-|–|to|or) ?)?(?:([0-9]{1,3}(?:,[0-9]{3})+|[0-9]*[.]?[0-9]+) *|(an?|one|two|three|four|five|six|ten|twelve|half an) )([a-zµμ]+|秒钟?|分钟?|小时|天)`)
)

// span reads a duration with units at the beginning of s, and returns what follows it.
func span(s string) (seconds float64, rest string, ok bool) {
	upper := strings.ToUpper(s)
	if m := isoSpan.FindStringSubmatch(upper); m != nil && len(m[0]) > 2 {
		return sum(m[1:], 7*day, day, 3600, 60, 1), s[len(m[0]):], true
	}
	if m := clock.FindStringSubmatch(s); m != nil {
		return sum(m[1:], day, 3600, 60, 1), s[len(m[0]):], true
	}
	rest = strings.ToLower(s)
	if len(rest) != len(s) {
		s = rest // a letter whose small form has another length: what follows is not kept as it was
	}
	for {
		m := part.FindStringSubmatch(rest)
		if m == nil {
			break
		}
		each, known := units[m[3]]
		if !known {
			break
		}
		seconds += count(m[1]+m[2]) * each
		rest, ok = rest[len(m[0]):], true
	}
	return seconds, s[len(s)-len(rest):], ok
}

// sum adds numbers, each of its unit.
func sum(numbers []string, units ...float64) (seconds float64) {
	for i, n := range numbers {
		if n != "" {
			seconds += count(n) * units[i]
		}
	}
	return seconds
}

// count reads a number of digits or in words.
func count(s string) float64 {
	if n, ok := words[s]; ok {
		return n
	}
	n, err := strconv.ParseFloat(strings.ReplaceAll(s, ",", ""), 64)
	if err != nil && !math.IsInf(n, 1) { // too large is large enough
		return 0
	}
	return n
}

var words = map[string]float64{
	"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "ten": 10, "twelve": 12, "half an": 0.5,
}

const day = 24 * 3600.0

// units are how many seconds a unit has.
var units = func() map[string]float64 {
	all := make(map[string]float64)
	for names, seconds := range map[string]float64{
		"ns nanosecond nanoseconds":                                    1e-9,
		"us µs μs microsecond microseconds":                            1e-6,
		"ms msec msecs milli millis millisec millisecond milliseconds": 1e-3,
		"s sec secs second seconds 秒 秒钟":                               1,
		"m min mins minute minutes 分 分钟":                               60,
		"h hr hrs hour hours 小时":                                       3600,
		"d day days 天":                                                 day,
		"w wk wks week weeks":                                          7 * day,
		"mo month months":                                              30 * day,
	} {
		for _, name := range strings.Fields(names) {
			all[name] = seconds
		}
	}
	return all
}()
