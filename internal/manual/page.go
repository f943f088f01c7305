package manual

import (
	"fmt"
	"strings"
)

// A page is one man page. Help texts are set by hand, so the page keeps their lines.
type page struct {
	name, title string
	text        string
}

// String is the page in roff. It has no date: the same source makes the same page.
func (p page) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %s 1 \"\" \"Parley\" \"User Commands\"\n", strings.ToUpper(escape(p.name)))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", escape(p.name), escape(p.title))
	b.WriteString(".SH DESCRIPTION\n.nf\n")
	for line := range strings.Lines(p.text) {
		b.WriteString(text(line))
	}
	b.WriteString(".fi\n")
	return b.String()
}

// escape writes characters that roff gives a meaning.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
}

// text is a line that is not a request, whatever it begins with.
func text(line string) string {
	line = escape(line)
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
		return `\&` + line
	}
	return line
}
