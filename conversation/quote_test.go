package conversation_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
)

func TestQuote(t *testing.T) {
	t.Parallel()
	require.Empty(t, conversation.Quote(""))
	require.Equal(t, `400: “no "secret" today”`, "400: "+conversation.Quote(`no “secret” today`))
	for text, want := range map[string]string{
		"nothing":                      "nothing",
		"a: “one” (b: “two”)":          "a: “…” (b: “…”)",
		"a: “one, cut o":               "a: “…”",
		conversation.Quote("x”y“z"):    "“…”",
		"a: " + conversation.Quote(""): "a: ",
	} {
		require.Equal(t, want, conversation.WithoutQuotes(text))
		require.Equal(t, want, conversation.WithoutQuotes(want))
	}
	require.Equal(t, "a: “b”", conversation.EndQuote("a: “b"))
	require.Equal(t, "a: “b” c", conversation.EndQuote("a: “b” c"))
	require.Equal(t, "a", conversation.EndQuote("a"))
}
