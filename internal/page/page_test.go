package page_test

import (
	"crypto/sha256"
	"encoding/base64"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/page"
)

const evil = "<script>alert(1)</script>\x1b[2J\u202e\"' style=\"fill:red\" javascript:x"

// everything has a text of others in each place that takes one.
func everything() page.Page {
	return page.Page{Title: evil, Lead: []string{evil}, Foot: evil, Sections: []page.Section{{Title: evil, Text: []string{evil}, Blocks: []page.Block{
		page.Facts{{Name: evil, Value: evil, Detail: evil}},
		page.Table{Caption: evil, Head: []page.Cell{{Text: evil}}, Rows: [][]page.Cell{{{Text: evil, Link: "javascript:alert(2)"}}}},
		page.Charts{{Title: evil, Note: evil, Labels: []string{evil, "b"}, Series: []page.Series{{Name: evil, Values: []float64{1, 2}}, {Name: "b", Values: []float64{3, 4}}}}},
		page.Charts{{Title: "lying", Lying: true, Labels: []string{evil}, Series: []page.Series{{Values: []float64{7}}}}},
		page.Folds{{ID: evil, Title: evil, Detail: evil, Facts: [][2]string{{evil, evil}}, Link: "javascript:alert(3)", Messages: []page.Message{{From: evil, Side: "agent", At: evil, Text: evil}}}},
		page.Note{Text: evil},
	}}}}
}

func TestEscapes(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	require.NoError(t, everything().Write(&b))
	html := b.String()
	require.NotContains(t, html, "<script")
	require.NotContains(t, html, "\x1b")
	require.NotContains(t, html, "\u202e")
	require.NotRegexp(t, `(?i)(href|src)="?\s*javascript:`, html)
	require.NotRegexp(t, `<[^>]*\sstyle="`, html, "no tag has a style of its own")
	require.NotRegexp(t, `<[^>]*\son\w+=`, html)
	require.NotRegexp(t, `(?i)<(link|img|iframe|object|script|base|form)\b`, html)
	require.Equal(t, strings.Count(html, "<svg "), strings.Count(html, `<svg role="img" aria-label="`))
	require.NotContains(t, html, "rgb(", "all colours follow the reader's scheme")
}

// The policy permits the page's style and nothing else.
func TestPolicy(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	require.NoError(t, page.Page{Title: "x"}.Write(&b))
	style := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindAllStringSubmatch(b.String(), -1)
	require.Len(t, style, 1)
	sum := sha256.Sum256([]byte(style[0][1]))
	require.Contains(t, page.Policy, base64.StdEncoding.EncodeToString(sum[:]))
	require.Contains(t, page.Policy, "default-src 'none'")
	require.Contains(t, b.String(), `content="`+page.Policy+`"`)
	require.NotContains(t, style[0][1], "url(")
}

func TestID(t *testing.T) {
	t.Parallel()
	require.Equal(t, "a-1", page.ID("a-1"))
	require.NotEqual(t, page.ID("a/b"), page.ID("a b"))
	require.Regexp(t, `^[a-z0-9-]{1,60}`, page.ID(evil))
	require.NotContains(t, page.ID(strings.Repeat("ä/", 1000)), "/")
}
