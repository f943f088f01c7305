package rest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/platforms/internal/rest"
)

func TestParseURL(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"http://localhost:1":    "http://localhost:1",
		" https://a.example// ": "https://a.example",
		"http://a.example/api/": "http://a.example/api",
	} {
		u, err := words.ParseURL(raw)
		require.NoError(t, err, raw)
		require.Equal(t, want, u.String())
	}
	for raw, want := range map[string]string{
		"":                            "address is empty: set it, or SHOP_URL, to the address of Shop's API, such as http://localhost:1",
		"localhost:1":                 `address is "localhost:1", which is no http:// or https:// address: write it in full, such as http://localhost:1`,
		"ftp://a.example":             "which is no http:// or https:// address",
		"http://":                     "which is no http:// or https:// address",
		"http://me:hush@a.example":    "address contains a user name or password: leave them out, api_key is what Shop checks",
		"http://me:hush@local host":   "which is no http:// or https:// address",
		"http://a.example/api?k=hush": "address has a query or a fragment: leave them out: http://a.example/api",
		"http://a.example/#hush":      "has a query or a fragment",
	} {
		_, err := words.ParseURL(raw)
		require.ErrorContains(t, err, want, raw)
		require.NotContains(t, err.Error(), "hush")
	}
}

func TestChecks(t *testing.T) {
	t.Parallel()
	require.NoError(t, rest.CheckName("shop"))
	require.ErrorContains(t, rest.CheckName("a/b"), `name "a/b" contains a slash`)
	require.NoError(t, rest.CheckTimeout("timeout", 0, "30s"))
	require.EqualError(t, rest.CheckTimeout("timeout", -time.Second, "30s"), "timeout is -1s: use a positive duration such as 30s, or leave it out")
	for value, want := range map[string]bool{"Bearer x\ty": true, "": true, "a\nb": false, "a\x7f": false} {
		require.Equal(t, want, rest.HeaderSafe(value), "%q", value)
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	require.Equal(t, "a b\uFFFD\uFFFDc", rest.Clip(" a\r\nb\x00\xffc "))
	require.Equal(t, strings.Repeat("x", 297)+"…", rest.Clip(strings.Repeat("x", 2000)))
	require.Equal(t, strings.Repeat("ä", 150), rest.Clip(strings.Repeat("ä", 150)))
	require.Equal(t, "one line", rest.FewWords("one\nline"))
	require.Equal(t, strings.Repeat("ä", 79)+"…", rest.FewWords(strings.Repeat("ä", 90)))
}
