package foreign_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/foreign"
)

// FuzzFind: what is said of an answer of something in front of a service is short, and
// reading through adds nothing.
func FuzzFind(f *testing.F) {
	for _, seed := range []string{"<html><title>502 Bad Gateway</title>", "<?xml version=\"1.0\"?><Error><Message>no</Message></Error>", "{\"a\":1}", "upstream connect error", "<!-- x --><!DOCTYPE html>", "<title><title></title", "\xef\xbb\xbf<html", "", "<"} {
		f.Add([]byte(seed), 502)
		f.Add([]byte(seed), 200)
	}
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		status = 200 + max(status, -status)%400
		for _, media := range []string{"", "text/html", "application/json"} {
			header := http.Header{"Content-Type": {media}}
			foreign.IsPage(header, body)
			clean := func(s string) string { return s[:min(len(s), 300)] }
			if e := foreign.Find(status, header, body, func() bool { return false }); e != nil {
				require.LessOrEqual(t, len(e.Clean(clean).Error()), 1<<10)
				require.GreaterOrEqual(t, e.RetryAfter.Seconds(), 0.0)
			}
		}
		title := foreign.Title(body)
		require.LessOrEqual(t, len(title), 3*len(body))
		require.True(t, utf8.ValidString(title))
		data, _ := io.ReadAll(foreign.Reader(strings.NewReader(string(body)), status))
		require.True(t, strings.HasPrefix(string(body), string(data)))
	})
}
