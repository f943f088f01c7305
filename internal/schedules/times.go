package schedules

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
	"go.temporal.io/sdk/client"

	"github.com/parley-run/parley/internal/duration"
)

// Times are the times of a schedule, as flags give them. Exactly one of Cron, Every and
// At is set.
type Times struct {
	Cron  []string
	Every string
	// Offset shifts the times of Every, which count from 1970.
	Offset time.Duration
	At     string
	// Zone is an IANA name. Empty: UTC.
	Zone   string
	Jitter time.Duration
}

// given reports whether a time is given.
func (t Times) given() bool { return len(t.Cron) > 0 || t.Every != "" || t.At != "" }

// spec is the times as Temporal's options. At is set for a schedule that runs once.
func (t Times) spec(now time.Time) (spec client.ScheduleSpec, at time.Time, err error) {
	kinds := 0
	for _, has := range []bool{len(t.Cron) > 0, t.Every != "", t.At != ""} {
		if has {
			kinds++
		}
	}
	zone, err := Zone(t.Zone)
	switch {
	case err != nil:
		return spec, at, err
	case kinds == 0:
		return spec, at, malformed("the time is missing: give --cron, --every or --at")
	case kinds > 1:
		return spec, at, malformed("give one of --cron, --every and --at")
	case t.Offset != 0 && t.Every == "":
		return spec, at, malformed("--offset goes with --every")
	case t.Jitter < 0:
		return spec, at, malformed("--jitter %v is negative", t.Jitter)
	}
	spec.TimeZoneName, spec.Jitter = zone.String(), t.Jitter
	switch {
	case t.At != "":
		if at, err = Moment(t.At, now.In(zone)); err != nil {
			return spec, at, err
		}
		at = at.In(zone)
		spec.Calendars = []client.ScheduleCalendarSpec{once(at)}
		spec.TimeZoneName = "UTC" // of the calendar; a change of clocks is resolved here
		return spec, at, nil
	case t.Every != "":
		interval, expression, err := Every(t.Every)
		switch {
		case err != nil:
			return spec, at, err
		case expression != "" && t.Offset != 0:
			return spec, at, malformed("--offset goes with an interval such as --every 30m: %q has a time of day", t.Every)
		case expression != "":
			spec.CronExpressions = []string{commented(expression, "every "+trimEvery(t.Every))}
			return spec, at, nil
		case t.Offset < 0 || t.Offset >= interval:
			return spec, at, malformed("--offset %v must be at least 0 and less than the interval, %v", t.Offset, interval)
		}
		spec.Intervals = []client.ScheduleIntervalSpec{{Every: interval, Offset: t.Offset}}
		return spec, at, nil
	}
	for _, expression := range t.Cron {
		if err := CheckCron(expression); err != nil {
			return spec, at, err
		}
		spec.CronExpressions = append(spec.CronExpressions, commented(word(expression), "cron "+word(expression)))
	}
	return spec, at, nil
}

// commented: Temporal keeps the comment when it turns the expression into fields.
func commented(expression, comment string) string { return expression + " # " + comment }

func once(at time.Time) client.ScheduleCalendarSpec {
	comment := "once, " + Stamp(at)
	at = at.UTC()
	only := func(n int) []client.ScheduleRange { return []client.ScheduleRange{{Start: n}} }
	return client.ScheduleCalendarSpec{
		Year: only(at.Year()), Month: only(int(at.Month())), DayOfMonth: only(at.Day()),
		Hour: only(at.Hour()), Minute: only(at.Minute()), Second: only(at.Second()),
		Comment: comment,
	}
}

var (
	shorthand  = map[string]bool{"@yearly": true, "@annually": true, "@monthly": true, "@weekly": true, "@daily": true, "@midnight": true, "@hourly": true}
	cronYear   = regexp.MustCompile(`^(\*|(\d{4})(-(\d{4}))?)(/\d+)?(,((\d{4})(-\d{4})?)(/\d+)?)*$`)
	cronFields = cron.NewParser(cron.Second | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)
)

// CheckCron finds faults of a cron expression in Temporal's dialect: five fields, six
// with a year at the end, seven with a second in front as well, or a shorthand such as
// @daily. Day of month and day of week must both match.
func CheckCron(expression string) error {
	const maxExpression = 150 // the expression is its own comment, which Temporal bounds
	text := strings.TrimSpace(expression)
	fields := strings.Fields(text)
	switch {
	case strings.HasPrefix(text, "TZ=") || strings.HasPrefix(text, "CRON_TZ="):
		return malformed("cron %q: give the time zone with --timezone", expression)
	case strings.HasPrefix(text, "@every"):
		return malformed("cron %q: give an interval with --every", expression)
	case shorthand[text]:
		return nil
	case strings.ContainsAny(text, "#?"):
		return malformed("cron %q: Temporal knows no \"#\" and no \"?\"", expression)
	case len(text) > maxExpression:
		return malformed("cron %q is longer than %d characters: give several --cron", expression, maxExpression)
	}
	second, year := "0", "*"
	switch len(fields) {
	case 5:
	case 6:
		fields, year = fields[:5], fields[5]
	case 7:
		second, fields, year = fields[0], fields[1:6], fields[6]
	default:
		return malformed("cron %q has %d fields: give 5 (minute hour day-of-month month day-of-week), 6 (and a year) or 7 (a second first, a year last)", expression, len(fields))
	}
	fields = append([]string{second}, fields...)
	fields[5] = sundayAsZero(fields[5])
	if _, err := cronFields.Parse(strings.Join(fields, " ")); err != nil {
		return malformed("cron %q: %v", expression, err)
	}
	if !cronYear.MatchString(year) {
		return malformed("cron %q: year %q is not one from 2000 to 2100", expression, year)
	}
	return nil
}

// sundayAsZero writes Sunday as 0 for the parser; Temporal also accepts 7.
func sundayAsZero(field string) string {
	parts := strings.Split(field, ",")
	for i, part := range parts {
		days, step, stepped := strings.Cut(part, "/")
		switch {
		case days == "7":
			days = "0"
		case strings.HasSuffix(days, "-7"):
			days = strings.TrimSuffix(days, "7") + "6"
		}
		if parts[i] = days; stepped {
			parts[i] += "/" + step
		}
	}
	return strings.Join(parts, ",")
}

var (
	everyUnit = regexp.MustCompile(`^(?:(\d{1,6}) )?(second|minute|hour|day|week)s?$`)
	everyDay  = regexp.MustCompile(`^(day|weekday|weekend day|sunday|monday|tuesday|wednesday|thursday|friday|saturday) at (.+)$`)
)

var weekdays = map[string]string{
	"day": "*", "weekday": "1-5", "weekend day": "0,6", "sunday": "0", "monday": "1", "tuesday": "2",
	"wednesday": "3", "thursday": "4", "friday": "5", "saturday": "6",
}

func trimEvery(text string) string {
	phrase := strings.TrimPrefix(strings.TrimPrefix(word(text), "every "), "each ")
	switch {
	case phrase == "hourly":
		return "hour"
	case strings.HasPrefix(phrase, "daily at "):
		return "day" + strings.TrimPrefix(phrase, "daily")
	}
	return phrase
}

// Every reads an interval ("30m", "2d", "1w", "30 seconds", "hour") or a day with a time
// ("day at 9am", "weekday at 18:30", "monday at 9"), which is a cron expression.
func Every(text string) (time.Duration, string, error) {
	phrase := trimEvery(text)
	var interval time.Duration
	if m := everyDay.FindStringSubmatch(phrase); m != nil {
		clock := bareHour.ReplaceAllString("at "+m[2], "at $1:00")
		if found := clockTime.FindStringSubmatch(clock); found != nil && "at "+found[0] == clock && found[3] == "" && found[7] == "" {
			if hour, minute, ok := timeOfDay(found); ok {
				return 0, fmt.Sprintf("%d %d * * %s", minute, hour, weekdays[m[1]]), nil
			}
		}
		return 0, "", malformed("cannot read the time of day in --every %q: write \"%s at 9am\" or \"%s at 18:30\"", text, m[1], m[1])
	}
	if m := everyUnit.FindStringSubmatch(phrase); m != nil {
		n := 1
		if m[1] != "" {
			n, _ = strconv.Atoi(m[1])
		}
		unit := map[string]time.Duration{"second": time.Second, "minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour, "week": 7 * 24 * time.Hour}[m[2]]
		interval = time.Duration(n) * unit
	} else if d, err := duration.Parse(phrase); err == nil {
		interval = d
	} else {
		return 0, "", malformed("cannot read --every %q: write an interval such as 90s, 30m, 2d or 1w, or \"day at 9am\", \"weekday at 18:30\", \"monday at 9\"", text)
	}
	if interval < time.Second || interval%time.Second != 0 {
		return 0, "", malformed("--every %q: an interval is a whole number of seconds, at least 1", text)
	}
	return interval, "", nil
}
