package sim_test

import (
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/sim"
)

func TestReportForBrowsers(t *testing.T) {
	t.Parallel()
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	b := setup(t, sim.Config{Player: chatty}, sim.Setup{Conversations: 2, MaxTurns: 5})
	all := b.conversations(0)
	b.run(all[0], []string{"<script>alert(1)</script>", "two"})
	b.call("POST", b.conv(all[0], "/end"), nil)

	page := b.call("GET", "/simulator/report", nil, header{"Accept": browser})
	require.Equal(t, 200, page.status)
	require.Equal(t, "text/html; charset=utf-8", page.header.Get("Content-Type"))
	require.Contains(t, page.header.Get("Content-Security-Policy"), "default-src 'none'")
	require.Contains(t, page.text, "&lt;script&gt;alert(1)")
	require.NotContains(t, page.text, "<script")
	require.NotContains(t, page.text, "https://")
	require.Contains(t, page.text, "worker called end after ended")
	require.Contains(t, page.text, "over all 2 conversations of 1 simulations")

	for _, accept := range []string{"", "*/*", "application/json", "application/json, text/html"} {
		got := b.call("GET", "/simulator/report", nil, header{"Accept": accept})
		require.True(t, json.Valid([]byte(got.text)), accept)
		require.Equal(t, "application/json", got.header.Get("Content-Type"))
	}

	// A browser asks for the key, programs are refused as before.
	b.key = ""
	got := b.call("GET", "/simulator/report", nil, header{"Accept": browser})
	require.Equal(t, 401, got.status)
	require.Contains(t, got.header.Get("WWW-Authenticate"), "Basic realm=")
	basic := func(password string) header {
		return header{"Accept": browser, "Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte("any:"+password))}
	}
	require.Equal(t, 200, b.call("GET", "/simulator/report", nil, basic(testKey)).status)
	require.Equal(t, 401, b.call("GET", "/simulator/report", nil, basic("wrong")).status)
	got = b.call("GET", "/simulator/report", nil)
	require.Equal(t, 401, got.status)
	require.Empty(t, got.header.Get("WWW-Authenticate"))
	require.Equal(t, 401, b.call("GET", "/v1/projects", nil, basic(testKey)).status, "the page alone")
}
