package printable

import (
	"io"
	"regexp"
	"strings"
)

// Writer returns a writer that applies [Text] to each Write, which must consist of whole
// characters.
func Writer(w io.Writer) io.Writer { return textWriter{w} }

type textWriter struct{ w io.Writer }

func (t textWriter) Write(p []byte) (int, error) {
	if _, err := io.WriteString(t.w, Text(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// colour matches sequences that only set colours.
var colour = regexp.MustCompile("\x1b\\[[0-9;]*m")

// Painted is [Text] for texts with colours: those stay. Texts of other parties must pass
// through [Text] before they are coloured.
func Painted(s string) string {
	var b strings.Builder
	for {
		next := colour.FindStringIndex(s)
		if next == nil {
			break
		}
		b.WriteString(Text(s[:next[0]]))
		b.WriteString(s[next[0]:next[1]])
		s = s[next[1]:]
	}
	b.WriteString(Text(s))
	return b.String()
}
