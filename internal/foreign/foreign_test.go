package foreign_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/foreign"
)

// Answers that are not the service's own, and their text. Empty: the answer is the
// service's own, or its status means the same from any server.
func TestFind(t *testing.T) {
	t.Parallel()
	page := http.Header{"Content-Type": {"text/html"}}
	for name, c := range map[string]struct {
		status int
		header http.Header
		body   string
		want   string
	}{
		"Page":           {403, page, "Sign in", "403 Forbidden: a web page; this is not the agent's own answer"},
		"PageUnder200":   {200, page, "Sign in", "200 OK: a web page; this is not the agent's own answer"},
		"PageInDisguise": {404, nil, "\n<!doctype html>", "404 Not Found: a web page; this is not the agent's own answer"},
		"XHTML":          {400, http.Header{"Content-Type": {"application/xhtml+xml; charset=utf-8"}}, "x", "400 Bad Request: a web page; this is not the agent's own answer"},
		"Redirect":       {307, nil, "", "307 Temporary Redirect: a redirect; this is not the agent's own answer"},
		"Empty":          {401, nil, " \n", "401 Unauthorized: an empty body; this is not the agent's own answer"},
		"Text":           {404, nil, "404 page not found\n", "404 Not Found: “404 page not found\n”; this is not the agent's own answer"},
		"NotText":        {404, nil, "\xff", "404 Not Found: “?”; this is not the agent's own answer"},
		"UnknownStatus":  {499, nil, "", "499: an empty body; this is not the agent's own answer"},
		"AsksForToken":   {401, http.Header{"Www-Authenticate": {"Bearer realm=x"}}, "", ""},
		"LoginPage":      {401, http.Header{"Www-Authenticate": {"Bearer"}, "Content-Type": {"text/html"}}, "", "401 Unauthorized: a web page; this is not the agent's own answer"},
		"Own":            {401, nil, `{"error":"no"}`, ""},
		"TitledPage":     {400, nil, "<html><head><title>400 Request Header Or Cookie Too Large</title></head></html>", "400 Bad Request: a web page (“400 Request Header Or Cookie Too Large”); this is not the agent's own answer"},
		"MarkedPage":     {200, nil, "\xef\xbb\xbf<HTML><BODY><h1 class=x>Log &amp; in</h1>", "200 OK: a web page (“Log & in”); this is not the agent's own answer"},
		"XMLError":       {403, nil, `<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>`, "403 Forbidden: “<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>”; this is not the agent's own answer"},
		"TooLarge":       {413, nil, "", ""},
		"TooLargeError":  {413, nil, `{"error":"too large"}`, ""},
		"TooLargePage":   {413, page, "<html>", "413 Request Entity Too Large: a proxy's limit on the size of requests; this is not the agent's own answer"},
		"TooLargeText":   {413, http.Header{"Content-Type": {"text/plain"}}, "Payload Too Large", "413 Request Entity Too Large: a proxy's limit on the size of requests; this is not the agent's own answer"},
		"TooMany":        {429, page, "<html>", ""},
		"Pay":            {402, page, "<html>", ""},
		"BadGateway":     {502, page, "<html>", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := foreign.Find(c.status, c.header, []byte(c.body), func() bool { return strings.HasPrefix(c.body, "{") })
			if c.want == "" {
				require.Nil(t, e)
				return
			}
			require.NotNil(t, e)
			require.Equal(t, c.want, e.Error())
		})
	}
}
