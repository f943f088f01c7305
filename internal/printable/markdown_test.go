package printable_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/printable"
)

// What the Temporal UI makes of it is tested with the UI: internal/browsertest.
func TestMarkdown(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                                    "",
		"Ann, worried (new here). It's late!": "Ann, worried (new here). It's late!",
		"a well-known and/or new: x":          "a well-known and/or new: x",
		"two\nlines\x1b[2J":                   "two lines\uFFFD&#91;2J",
		"<b>":                                 "&#60;b&#62;",
		"&lt; &#60;":                          "&#38;lt; &#38;&#35;60;",
		"[a](b) ![c](d)":                      "&#91;a&#93;&#40;b) &#33;&#91;c&#93;&#40;d)",
		"http://a.b www.a.b a@b.c":            "http&#58;&#47;&#47;a&#46;b www&#46;a&#46;b a&#64;b&#46;c",
		"1. x":                                "1&#46; x",
		"- x -- y ... 1/2 (c)":                "&#45; x &#45;&#45; y &#46;&#46;&#46; 1&#47;2 &#40;c)",
		"{workflowId} $x$ a^b`c`|d~":          "&#123;workflowId&#125; &#36;x&#36; a&#94;b&#96;c&#96;&#124;d&#126;",
		": x":                                 "&#58; x",
		"שלום (abc)":                          "\u2068שלום (abc)\u2069",
		"Grüße, 你好 👍":                         "Grüße, 你好 👍",
	} {
		require.Equal(t, want, printable.Markdown(in), in)
	}
	require.Equal(t, "ab&#60;…", printable.MarkdownClip("ab<<<", 11))
	require.Equal(t, "ab&#60;&#60;", printable.MarkdownClip("ab<<", 12))
}

func FuzzMarkdown(f *testing.F) {
	for _, s := range []string{"", "a <b>", "<<<<<<<", "שלום <", "&#60;", "\u2068", "\xff&\n- x"} {
		f.Add(s, 16)
	}
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = 16 + max(limit, 0)%512
		whole, clipped := printable.Markdown(s), printable.MarkdownClip(s, limit)
		for _, out := range []string{whole, clipped} {
			require.True(t, utf8.ValidString(out))
			require.False(t, strings.ContainsAny(out, "<>[]`*_\\|~^${}@=+\n\x1b"), "%q", out)
		}
		require.LessOrEqual(t, len(clipped), limit)
		require.Equal(t, printable.Line(s), printable.OfMarkdown(whole))
		if len(whole) <= limit {
			require.Equal(t, whole, clipped)
		}
	})
}
