package printable_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/printable"
)

func TestText(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, want string }{
		"plain":           {"Hello,\n\tthere.", "Hello,\n\tthere."},
		"other scripts":   {"Grüße, 你好, नमस्ते", "Grüße, 你好, नमस्ते"},
		"emoji":           {"👩‍👩‍👧 ❤️", "👩‍👩‍👧 ❤️"},
		"colour":          {"\x1b[31mred\x1b[0m", "�[31mred�[0m"},
		"title":           {"a\x1b]0;owned\x07b", "a�]0;owned�b"},
		"C1 sequence":     {"a\u009b2Jb\u009d0;x\u009c", "a�2Jb�0;x�"},
		"C1 byte":         {"a\x9b2J", "a�2J"},
		"backspace":       {"rm\b\bls\x7f", "rm��ls�"},
		"carriage return": {"one\r\ntwo\rthree", "one\ntwo�three"},
		"NUL":             {"a\x00b", "a�b"},
		"direction":       {"abc\u202efed\u2066x\u2069\u200f", "abcfedx"},
		"separators":      {"a\u2028b\u2029c", "a\nb\nc"},
		"not UTF-8":       {"a\xff\xfe\xc3", "a�"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, printable.Text(c.in))
			require.Equal(t, c.want, printable.Text(c.want), "twice is as once")
		})
	}
	require.Equal(t, "one two", printable.Line(" one\r\n\t two\u2028"))
}

func TestName(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in    string
		limit int
		want  string
	}{
		"plain":         {"gpt-5.1", 64, "gpt-5.1"},
		"empty":         {"", 64, ""},
		"other scripts": {"模型 α", 64, "模型 α"},
		"lines":         {"gpt\r\n injected line", 64, "gpt injected line"},
		"escape":        {"gpt\x1b[2J", 64, "gpt�[2J"},
		"not seen":      {"gp\u200bt\u00ad\u202e\U000E0041", 64, "gp�t���"},
		"separators":    {"a\u2028b\u00a0c", 64, "a b c"},
		"private":       {"a\ue000b", 64, "a�b"},
		"not UTF-8":     {"a\xffb", 64, "a�b"},
		"long":          {strings.Repeat("x", 100), 10, "xxxxxxx…"},
		"long, divided": {strings.Repeat("ü", 100), 10, "üüü…"},
		"fits exactly":  {strings.Repeat("x", 10), 10, "xxxxxxxxxx"},
		"tiny":          {"abcdef", 2, "…"},
		"huge":          {strings.Repeat("\xff", 10<<20), 64, "�"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := printable.Name(c.in, c.limit)
			require.Equal(t, c.want, got)
			require.Equal(t, got, printable.Name(got, c.limit), "twice is as once")
			require.Equal(t, c.in == got, printable.IsName(c.in, c.limit))
		})
	}
}

func TestID(t *testing.T) {
	t.Parallel()
	require.Equal(t, "onerun/p/cv_1", printable.ID("onerun/p/cv_1"))
	require.Equal(t, "zoë", printable.ID("zoë"))
	require.Equal(t, `"cv\x1b[2J"`, printable.ID("cv\x1b[2J"))
	require.Equal(t, `"cv\u202e1"`, printable.ID("cv\u202e1"))
	require.Equal(t, `"cv\n1"`, printable.ID("cv\n1"))
	require.Equal(t, `"a\xff"`, printable.ID("a\xff"))
}

// A document means the same, and contains nothing that a terminal interprets.
func TestJSON(t *testing.T) {
	t.Parallel()
	said := map[string]string{"model": "a\x1b[2J\u009b31m\x7f\u202eb\u200b\u2028\U000E0041ü👍\x00"}
	var out bytes.Buffer
	encoder := json.NewEncoder(printable.JSON(&out))
	encoder.SetIndent("", "  ")
	require.NoError(t, encoder.Encode(said))
	for _, r := range strings.ReplaceAll(out.String(), "\n", "") {
		require.True(t, unicode.IsGraphic(r), "%q", r)
	}
	require.Contains(t, out.String(), "ü👍")
	var back map[string]string
	require.NoError(t, json.Unmarshal(out.Bytes(), &back))
	require.Equal(t, said, back)
}

func FuzzPrintable(f *testing.F) {
	for _, s := range []string{"", "a\x1b[2J", "\u009b", "ü\u202e", "\xff\r\n", "\u2028"} {
		f.Add(s, 16)
	}
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = 4 + max(limit, 0)%512
		text, name := printable.Text(s), printable.Name(s, limit)
		require.True(t, utf8.ValidString(text))
		require.False(t, strings.ContainsFunc(text, func(r rune) bool {
			return unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r)
		}), "%q", text)
		require.LessOrEqual(t, len(name), limit)
		require.False(t, strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }), "%q", name)
		require.Equal(t, name, printable.Name(name, limit))
		require.False(t, strings.ContainsFunc(printable.ID(s), func(r rune) bool { return !unicode.IsPrint(r) }))
	})
}

func TestClips(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text           string
		limit          int
		bytes, letters string
	}{
		{"", 3, "", ""},
		{"abc", 3, "abc", "abc"},
		{"abcdef", 5, "ab…", "abcd…"},
		{"äöüß", 4, "…", "äöüß"},
		{"äöüßä", 4, "…", "äöü…"},
		{"äöüß", 7, "äö…", "äöüß"},
		{"abc", 0, "…", "…"},
		{"a\xffb", 2, "…", "a…"},
	} {
		require.Equal(t, tt.bytes, printable.Clip(tt.text, tt.limit), "%q to %d bytes", tt.text, tt.limit)
		require.Equal(t, tt.letters, printable.ClipLetters(tt.text, tt.limit), "%q to %d letters", tt.text, tt.limit)
	}
}
