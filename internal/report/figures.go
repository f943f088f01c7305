package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/parley-run/parley/internal/summary"
)

// seconds writes a duration for reading: "340 ms", "2.35 s", "12.5 s", "3m20s".
func seconds(s float64) string {
	switch a := math.Abs(s); {
	case a == 0:
		return "0 s"
	case a < 1:
		return strconv.FormatFloat(s*1000, 'f', 0, 64) + " ms"
	case a < 10:
		return strconv.FormatFloat(s, 'f', 2, 64) + " s"
	case a < 120:
		return strconv.FormatFloat(s, 'f', 1, 64) + " s"
	}
	return (time.Duration(s) * time.Second).String()
}

// number writes a mean without digits that say nothing.
func number(v float64) string {
	if v == math.Trunc(v) || math.Abs(v) >= 1000 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

func percent(v float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(v*100, 'f', 1, 64), ".0") + " %"
}

// money writes micros of a currency: "USD 0.0123".
func money(currency string, micros float64) string {
	amount := micros / 1e6
	digits := 2
	if math.Abs(amount) < 1 && amount != 0 {
		digits = min(6, 2-int(math.Floor(math.Log10(math.Abs(amount)))))
	}
	if currency == "" {
		currency = "(currency not known)"
	}
	return currency + " " + strconv.FormatFloat(amount, 'f', digits, 64)
}

func moneys(all []summary.Money) string {
	if len(all) == 0 {
		return "none known"
	}
	texts := make([]string, len(all))
	for i, m := range all {
		texts[i] = money(m.Currency, float64(m.Micros))
	}
	return strings.Join(texts, " and ")
}

// value writes a value of a measure.
func value(m summary.Measure, v float64) string {
	switch m.Unit {
	case summary.Rate:
		return percent(v)
	case summary.Seconds:
		return seconds(v)
	case summary.Micros:
		return money(m.Currency, v)
	}
	return number(v)
}

// signed is value with a sign.
func signed(m summary.Measure, v float64) string {
	if v > 0 {
		return "+" + value(m, v)
	}
	return strings.Replace(value(m, v), "-", "−", 1)
}

// spread is the interval of a difference, or why there is none.
func spread(d summary.Difference) string {
	if d.Interval == nil {
		return fmt.Sprintf("no interval: %d and %d values", d.NBefore, d.NAfter)
	}
	return signed(d.Measure, d.Interval.Low) + " to " + signed(d.Measure, d.Interval.High)
}

// measureName is the name of a measure in words.
func measureName(m summary.Measure) string {
	switch m.Name {
	case "failure_rate":
		return "failures"
	case "reply_seconds":
		return "reply latency"
	case "exchange_seconds":
		return "persona latency"
	case "overhead_seconds":
		return "overhead of a turn"
	case "cost":
		return strings.TrimSpace("cost in " + m.Currency)
	}
	return strings.ReplaceAll(m.Name, "_", " ")
}

// results writes counts: "8 ended by persona, 2 failed".
func results(counts []summary.Count) string {
	texts := make([]string, len(counts))
	for i, c := range counts {
		texts[i] = fmt.Sprintf("%d %s", c.N, c.Name)
	}
	return strings.Join(texts, ", ")
}

// persona names a row. One without a description is named by what it is.
func persona(name, scenario string) string {
	if name == "" {
		name = "(no persona)"
	}
	if scenario != "" {
		name += " · " + scenario
	}
	return name
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func moment(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format("2006-01-02 15:04:05 UTC")
}
