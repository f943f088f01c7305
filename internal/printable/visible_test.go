package printable_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/printable"
)

func TestVisible(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Hello,\n\tthere.":    "Hello,\n\tthere.",
		"Grüße, 你好, 👩‍👩‍👧 ❤️": "Grüße, 你好, 👩‍👩‍👧 ❤️",
		"\x1b[31mred\x00\x7f": "‹U+001B›[31mred‹U+0000›‹U+007F›",
		"abc\u202efed\u2066x": "abc‹U+202E›fed‹U+2066›x",
		"a\u200bb\u00adc":     "a‹U+200B›b‹U+00AD›c",
		"one\r\ntwo\rthree":   "one\ntwo‹U+000D›three",
		"hid\U000e0041den":    "hid‹U+E0041›den",
		"a\xffb":              "a�b",
	} {
		require.Equal(t, want, printable.Visible(in), "%q", in)
	}
	require.Equal(t, "one two", printable.VisibleLine(" one\n\n two "))
}
