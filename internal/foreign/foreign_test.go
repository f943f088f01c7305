package foreign_test

import (
	"net/http"
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
		"TooLarge":       {413, page, "<html>", ""},
		"TooMany":        {429, page, "<html>", ""},
		"Pay":            {402, page, "<html>", ""},
		"BadGateway":     {502, page, "<html>", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := foreign.Find(c.status, c.header, []byte(c.body), func() bool { return foreign.Reports(c.status, []byte(c.body)) })
			if c.want == "" {
				require.Nil(t, e)
				return
			}
			require.NotNil(t, e)
			require.Equal(t, c.want, e.Error())
		})
	}
}

// Bodies that are errors of the service itself.
func TestReports(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]struct{ anywhere, notFound bool }{
		`{"error":{"message":"m"}}`:                   {true, true},
		`[{"error":{"message":"m"}}]`:                 {true, true},
		`{"type":"error","error":{"type":"t"}}`:       {true, true},
		`{"error":"model x not found"}`:               {true, true},
		`{"object":"error","message":"m","code":404}`: {true, true},
		`{"error":"Not Found","path":"/"}`:            {true, false},
		`{"message":"no Route matched"}`:              {true, false},
		`{"detail":"Not Found"}`:                      {true, false},
		`{"detail":[{"msg":"m"}]}`:                    {true, false},
		`{"error":{}}`:                                {false, false},
		`{"error":null,"message":""}`:                 {false, false},
		`{"status":"starting"}`:                       {false, false},
		`{}`:                                          {false, false},
		`[]`:                                          {false, false},
		`"error"`:                                     {false, false},
		`404 page not found`:                          {false, false},
	} {
		require.Equal(t, want.anywhere, foreign.Reports(400, []byte(body)), body)
		require.Equal(t, want.anywhere, foreign.Reports(401, []byte(body)), body)
		require.Equal(t, want.notFound, foreign.Reports(404, []byte(body)), body)
	}
	require.True(t, foreign.Reports(404, []byte(`{"detail":"Not Found"}`), "detail"))
}
