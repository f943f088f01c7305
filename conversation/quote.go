package conversation

import "strings"

// The text between these marks in an error was written by another party.
const (
	quoteBegin = "“"
	quoteEnd   = "”"
)

// Quote marks the text of another party (a provider, an agent, a tool, a platform) in an
// error: it may repeat the conversation. Operators see it where they see the
// conversation; logs above debug level leave it out, by [WithoutQuotes]. Empty stays
// empty.
func Quote(words string) string {
	if words == "" {
		return ""
	}
	return quoteBegin + plainQuotes.Replace(words) + quoteEnd
}

// plainQuotes keeps a quoted text from closing its own quotation.
var plainQuotes = strings.NewReplacer(quoteBegin, `"`, quoteEnd, `"`)

// WithoutQuotes is text with an ellipsis for each text between the marks of [Quote]. A
// quotation that was cut off ends with the text.
func WithoutQuotes(text string) string {
	var b strings.Builder
	for {
		before, quoted, found := strings.Cut(text, quoteBegin)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString(quoteBegin + "…" + quoteEnd)
		_, text, _ = strings.Cut(quoted, quoteEnd)
	}
}

// EndQuote closes a quotation that was cut off.
func EndQuote(text string) string {
	if strings.LastIndex(text, quoteBegin) > strings.LastIndex(text, quoteEnd) {
		return text + quoteEnd
	}
	return text
}
