package schedules

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	dateparser "github.com/markusmobius/go-dateparser"

	"github.com/parley-run/parley/internal/duration"
)

// Zone finds a time zone by its IANA name. Empty is UTC: the meaning of a schedule must
// not depend on the machine that created it.
func Zone(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, malformed("unknown time zone %q: use a name of the IANA database, such as Europe/Berlin", name)
	}
	return zone, nil
}

// Moment is the time that text names, to the second, rounded up: "2030-01-02 03:04", RFC
// 3339, "in 5 minutes", "90s" or "in 1w2d", "tomorrow at 9am", "next monday at 9". A
// text without a zone is in that of now. It must be in the future; "now" is now itself.
func Moment(text string, now time.Time) (time.Time, error) {
	at, err := parse(text, now, dateparser.Future)
	if err != nil {
		return time.Time{}, err
	}
	if word(text) != "now" && !at.After(now) {
		return time.Time{}, malformed("%q is %s, which is past: it is %s", text, Stamp(at), Stamp(now))
	}
	return at, nil
}

// PastMoment is like [Moment] for times that may be past.
func PastMoment(text string, now time.Time) (time.Time, error) {
	return parse(text, now, dateparser.Past)
}

// Stamp formats a time, always with its zone.
func Stamp(at time.Time) string {
	if name, _ := at.Zone(); name == "" || strings.ContainsAny(name, "+-0123456789") {
		return at.Format("Mon 2006-01-02 15:04:05 -07:00")
	}
	return at.Format("Mon 2006-01-02 15:04:05 MST")
}

var (
	recurring = regexp.MustCompile(`^(every|each)\b|^(hourly|daily|weekly|monthly|yearly|weekdays|minutely)\b`)
	ahead     = regexp.MustCompile(`^in (\d{1,6}|an?) (second|sec|minute|min|hour|day|week|month|year)s?$`)
	// numericDate is read differently in different countries.
	numericDate = regexp.MustCompile(`\d+[-/.]\d+[-/.]\d+`)
	nextWeekday = regexp.MustCompile(`\bnext ((?:sun|mon|tues|wednes|thurs|fri|satur)day)\b`)
	aWeekday    = regexp.MustCompile(`^(sun|mon|tues|wednes|thurs|fri|satur)day\b`)
	bareHour    = regexp.MustCompile(`\bat (\d{1,2})$`)
	// clockTime is a time of day within a phrase.
	clockTime = regexp.MustCompile(`\b(\d{1,2})(?::(\d{2}))?(?::(\d{2}))? ?(am|pm)\b|\b(\d{1,2}):(\d{2})(?::(\d{2}))?\b`)
	letters   = regexp.MustCompile(`[a-z]{3}|\d ?[ap]m|:`)
)

var layouts = []string{
	"2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02",
}

func word(text string) string { return strings.ToLower(strings.Join(strings.Fields(text), " ")) }

func parse(text string, now time.Time, prefer dateparser.PreferredDateSource) (time.Time, error) {
	phrase := word(text)
	switch {
	case phrase == "":
		return time.Time{}, malformed("the time is empty")
	case phrase == "now":
		return now.Truncate(time.Second), nil
	case recurring.MatchString(phrase):
		return time.Time{}, malformed("%q is recurring: give it with --every, or as --cron", text)
	}
	if at, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(text)); err == nil {
		return wholeSecond(at), nil
	}
	for _, layout := range layouts {
		at, err := time.ParseInLocation(layout, strings.ToUpper(phrase), now.Location())
		if err != nil {
			continue
		}
		wanted, _ := time.Parse(layout, strings.ToUpper(phrase))
		return exact(text, at, wanted.Hour(), wanted.Minute())
	}
	if m := ahead.FindStringSubmatch(phrase); m != nil {
		return wholeSecond(later(now, m[1], m[2])), nil
	}
	if prefer == dateparser.Future {
		if length := strings.TrimPrefix(phrase, "in "); length != phrase || !strings.Contains(phrase, " ") {
			if d, err := duration.Parse(length); err == nil && d > 0 {
				return wholeSecond(after(now, length, d)), nil
			}
		}
	}
	if numericDate.MatchString(phrase) {
		return time.Time{}, malformed("cannot read the date in %q: write 2006-01-02 15:04, or RFC 3339 with a zone", text)
	}
	return inWords(text, phrase, now, prefer)
}

// after is now and d. Days that are written as such end at the same time of day.
func after(now time.Time, text string, d time.Duration) time.Time {
	if !strings.ContainsAny(text, "dw") {
		return now.Add(d)
	}
	const day = 24 * time.Hour
	return now.AddDate(0, 0, int(d/day)).Add(d % day)
}

// later: an hour is always an hour; a day ends at the same time of day.
func later(now time.Time, number, unit string) time.Time {
	n, err := strconv.Atoi(number)
	if err != nil {
		n = 1 // "a", "an"
	}
	switch unit {
	case "second", "sec":
		return now.Add(time.Duration(n) * time.Second)
	case "minute", "min":
		return now.Add(time.Duration(n) * time.Minute)
	case "hour":
		return now.Add(time.Duration(n) * time.Hour)
	case "day":
		return now.AddDate(0, 0, n)
	case "week":
		return now.AddDate(0, 0, 7*n)
	case "month":
		return now.AddDate(0, n, 0)
	}
	return now.AddDate(n, 0, 0)
}

// inWords reads phrases without a fixed form. The parser guesses at what it does not
// understand, and then drops the time of day: the result must have the one that the text
// names.
func inWords(text, phrase string, now time.Time, prefer dateparser.PreferredDateSource) (time.Time, error) {
	next := nextWeekday.MatchString(phrase)
	phrase = nextWeekday.ReplaceAllString(phrase, "$1")
	phrase = bareHour.ReplaceAllString(phrase, "at $1:00")
	examples := `"in 5 minutes", 90s, 1w, "tomorrow at 9am", "next monday at 9"`
	if prefer == dateparser.Past {
		examples = `90s, 1w, "5 minutes ago", "yesterday at 9am"`
	}
	unreadable := malformed("cannot read the time %q: try %s, \"2006-01-02 15:04\" or RFC 3339", text, examples)
	if !letters.MatchString(phrase) {
		return time.Time{}, unreadable
	}
	read, err := dateparser.Parse(&dateparser.Configuration{
		CurrentTime: now, DefaultTimezone: now.Location(), Languages: []string{"en"}, PreferredDateSource: prefer,
	}, phrase)
	if err != nil {
		return time.Time{}, unreadable
	}
	at := read.Time
	if next && !at.After(now) || next && sameDay(at, now) {
		at = at.AddDate(0, 0, 7)
	}
	if week := at.AddDate(0, 0, -7); !next && prefer == dateparser.Future && aWeekday.MatchString(phrase) && week.After(now) {
		at = week // today counts as this week's day
	}
	m := clockTime.FindStringSubmatch(phrase)
	if m == nil {
		return wholeSecond(at), nil
	}
	hour, minute, ok := timeOfDay(m)
	if !ok {
		return time.Time{}, malformed("there is no such time of day as in %q", text)
	}
	return exact(text, at, hour, minute)
}

// timeOfDay reads a match of clockTime.
func timeOfDay(m []string) (hour, minute int, ok bool) {
	if m[5] != "" {
		hour, _ = strconv.Atoi(m[5])
		minute, _ = strconv.Atoi(m[6])
		return hour, minute, hour < 24 && minute < 60
	}
	hour, _ = strconv.Atoi(m[1])
	minute, _ = strconv.Atoi(m[2]) // "": 0
	ok = hour >= 1 && hour <= 12 && minute < 60
	hour %= 12
	if m[4] == "pm" {
		hour += 12
	}
	return hour, minute, ok
}

// exact refuses a time that a change of clocks skips, and takes the first of two.
func exact(text string, at time.Time, hour, minute int) (time.Time, error) {
	if at.Hour() != hour || at.Minute() != minute {
		return time.Time{}, malformed("%q cannot be read as %02d:%02d in %s: that time may not exist, because the clocks are changed then", text, hour, minute, at.Location())
	}
	if before := at.Add(-time.Hour); before.Hour() == hour && before.Minute() == minute {
		at = before
	}
	return wholeSecond(at), nil
}

func sameDay(a, b time.Time) bool {
	return a.Format(time.DateOnly) == b.In(a.Location()).Format(time.DateOnly)
}

// wholeSecond rounds up: schedules have no fractions, and no run may be early.
func wholeSecond(at time.Time) time.Time {
	cut := at.Truncate(time.Second)
	if cut.Before(at) {
		cut = cut.Add(time.Second)
	}
	return cut
}
