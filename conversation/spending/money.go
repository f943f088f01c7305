package spending

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Money is an amount in millionths of a currency's unit. It reads and writes as a
// decimal number: 2.5, 0.000125.
type Money int64

// One is one unit of a currency.
const One Money = 1_000_000

const places = 6

// ParseMoney reads a decimal number of at most six places. No rounding, no
// exponents: what is written is what counts.
func ParseMoney(s string) (Money, error) {
	fault := func(why string) (Money, error) { return 0, fmt.Errorf("%q is no amount of money: %s", s, why) }
	number, negative := strings.CutPrefix(s, "-")
	whole, fraction, point := strings.Cut(number, ".")
	switch {
	case !digits(whole) || point && !digits(fraction):
		return fault("write one like 2.50")
	case len(fraction) > places:
		return fault("at most six places are possible")
	}
	n, err := strconv.ParseInt(whole+fraction+strings.Repeat("0", places-len(fraction)), 10, 64)
	if err != nil {
		return fault("it is too large")
	}
	if negative {
		n = -n
	}
	return Money(n), nil
}

func digits(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

// String has at least two places.
func (m Money) String() string {
	sign, n := "", uint64(m)
	if m < 0 {
		sign, n = "-", -n
	}
	fraction := strings.TrimRight(fmt.Sprintf("%0*d", places, n%uint64(One)), "0")
	for len(fraction) < 2 {
		fraction += "0"
	}
	return fmt.Sprintf("%s%d.%s", sign, n/uint64(One), fraction)
}

// MarshalText writes the decimal number.
func (m Money) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads it, in YAML also without quotes.
func (m *Money) UnmarshalText(text []byte) error {
	parsed, err := ParseMoney(string(text))
	if err == nil {
		*m = parsed
	}
	return err
}

// Add stops at the largest amount there is.
func (m Money) Add(n Money) Money {
	if n > 0 && m > math.MaxInt64-n {
		return math.MaxInt64
	}
	return m + n
}
