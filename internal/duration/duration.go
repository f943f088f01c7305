// Package duration parses durations in Go's notation with days and weeks. It is the one
// parser of all flags that take a duration.
package duration

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var (
	whole = regexp.MustCompile(`^[+-]?(?:\d+(?:\.\d+)?(?:w|d|h|ms|m|s|us|µs|ns))+$`)
	piece = regexp.MustCompile(`(\d+(?:\.\d+)?)(w|d|h|ms|m|s|us|µs|ns)`)
)

var units = map[string]time.Duration{
	"w": 7 * 24 * time.Hour, "d": 24 * time.Hour, "h": time.Hour, "m": time.Minute, "s": time.Second,
	"ms": time.Millisecond, "us": time.Microsecond, "µs": time.Microsecond, "ns": time.Nanosecond,
}

// Parse reads "90s", "5m", "1h30m", "2d", "1w", "1w2d12h" and "0". A day has 24
// hours.
func Parse(text string) (time.Duration, error) {
	trimmed := strings.TrimSpace(text)
	if trimmed == "0" {
		return 0, nil
	}
	if !whole.MatchString(trimmed) {
		if _, err := strconv.ParseFloat(trimmed, 64); err == nil {
			return 0, fmt.Errorf("%q has no unit: write %ss, %sm, %sh, %sd or %sw", text, trimmed, trimmed, trimmed, trimmed, trimmed)
		}
		return 0, fmt.Errorf("%q is no duration: write one like 90s, 5m, 1h30m, 2d or 1w", text)
	}
	var sum float64
	var exact time.Duration
	for _, m := range piece.FindAllStringSubmatch(trimmed, -1) {
		n, _ := strconv.ParseFloat(m[1], 64) // the pattern says that it is a number
		sum += n * float64(units[m[2]])
		if sum > math.MaxInt64/2 {
			return 0, fmt.Errorf("%q is too long: a duration has at most 146 years", text)
		}
		exact += part(m[1], n, units[m[2]])
	}
	if trimmed[0] == '-' {
		exact = -exact
	}
	return exact, nil
}

// part is exact where the number is whole.
func part(text string, n float64, unit time.Duration) time.Duration {
	if whole, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Duration(whole) * unit
	}
	return time.Duration(math.Round(n * float64(unit)))
}

// A Flag is a flag's value, for package flag and pflag.
type Flag struct{ to *time.Duration }

// NewFlag returns a flag that sets to, whose current value is the default.
func NewFlag(to *time.Duration, otherwise time.Duration) *Flag {
	*to = otherwise
	return &Flag{to}
}

// Set implements flag.Value.
func (f *Flag) Set(text string) error {
	d, err := Parse(text)
	if err != nil {
		return err
	}
	*f.to = d
	return nil
}

// String implements flag.Value.
func (f *Flag) String() string {
	if f == nil || f.to == nil || *f.to == 0 {
		return "0" // which help does not print as a default
	}
	return f.to.String()
}

// Type implements pflag.Value.
func (*Flag) Type() string { return "duration" }
