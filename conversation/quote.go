package conversation

import "strings"

// The words between these marks in an error's text were written by another party.
const (
	quoteBegin = "“"
	quoteEnd   = "”"
)

// Quote marks words that are not ours, in an error's text: what a provider, an agent, a
// tool or a platform said may repeat what the conversation says. Operators see them
// where they see the conversation; logs above debug level leave them out, by
// [WithoutQuotes]. Empty stays empty.
func Quote(words string) string {
	if words == "" {
		return ""
	}
	return quoteBegin + plainQuotes.Replace(words) + quoteEnd
}

// plainQuotes keeps words from ending their own quotation.
var plainQuotes = strings.NewReplacer(quoteBegin, `"`, quoteEnd, `"`)

// WithoutQuotes is a text without the words between the marks of [Quote]. A quotation
// that was cut off ends with the text.
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

// EndQuote closes a quotation that was cut off, if there is one.
func EndQuote(text string) string {
	if strings.LastIndex(text, quoteBegin) > strings.LastIndex(text, quoteEnd) {
		return text + quoteEnd
	}
	return text
}
