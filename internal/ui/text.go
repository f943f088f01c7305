package ui

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/parley-run/parley/internal/printable"
)

// visible is a text of another party for a page. The templates escape it.
func visible(s string) string { return printable.Visible(s) }

// line is a text of another party on one line, at most limit characters long.
func line(s string, limit int) string {
	return printable.ClipLetters(printable.VisibleLine(printable.Clip(s, 8*limit)), limit)
}

// keyOf is a short name for a part: ids of other parties do not fit in attributes.
func keyOf(values ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(values, "\x00")))
	return hex.EncodeToString(sum[:8])
}

// span is a duration for reading.
func span(d time.Duration) string {
	switch {
	case d <= 0:
		return "0 s"
	case d < time.Second:
		return strconv.FormatInt(max(d.Milliseconds(), 1), 10) + " ms"
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	case d < time.Minute:
		return strconv.Itoa(int(d.Seconds()+0.5)) + " s"
	case d < time.Hour:
		d = d.Round(time.Second)
		return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		d = d.Round(time.Minute)
		return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d d %d h", int(d.Hours())/24, int(d.Hours())%24)
}

// A moment is a time on a page. A zero one shows nothing.
type moment struct {
	ISO, Text string
}

// at shows a time with its date: pages may be read on another day.
func at(t time.Time) moment {
	if t.IsZero() {
		return moment{}
	}
	return moment{ISO: t.UTC().Format(time.RFC3339Nano), Text: t.Local().Format("2006-01-02 15:04:05")}
}

// clock shows a time of the day.
func clock(t time.Time) moment {
	if t.IsZero() {
		return moment{}
	}
	return moment{ISO: t.UTC().Format(time.RFC3339Nano), Text: t.Local().Format("15:04:05")}
}

// number groups digits: "12 345".
func number(n int64) string {
	text := strconv.FormatInt(n, 10)
	digits := strings.TrimPrefix(text, "-")
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "\u202f" + digits[i:]
	}
	return text[:len(text)-len(strings.TrimPrefix(text, "-"))] + digits
}

// money is an amount in a currency, which may be unknown.
func money(amount float64, currency string) string {
	if amount == 0 {
		return ""
	}
	digits := 2
	for shown := 0.1; digits < 6 && amount < shown*10; digits++ {
		shown /= 10
	}
	return strings.TrimSpace(strconv.FormatFloat(amount, 'f', digits, 64) + " " + line(currency, 12))
}

// words makes a recorded name readable: "needs attention".
func words(name string) string { return strings.ReplaceAll(name, "_", " ") }

// count is "1 turn" or "2 turns".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return number(int64(n)) + " " + noun + "s"
}

// pretty lays JSON out over lines. Keys that come twice and all digits stay.
func pretty(data json.RawMessage) string {
	var b bytes.Buffer
	if json.Indent(&b, data, "", "  ") != nil {
		return visible(string(data))
	}
	return visible(readable(b.String()))
}

// readable undoes the escapes of <, > and & in JSON, which encoders add for HTML: the
// templates escape these.
func readable(text string) string {
	if !strings.Contains(text, `\u00`) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		if i+6 <= len(text) {
			if c, ok := map[string]byte{`\u003c`: '<', `\u003e`: '>', `\u0026`: '&'}[text[i:i+6]]; ok {
				b.WriteByte(c)
				i += 5
				continue
			}
		}
		b.WriteString(text[i : i+2]) // another escape, such as of a backslash
		i++
	}
	return b.String()
}
