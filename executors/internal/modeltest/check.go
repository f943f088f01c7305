package modeltest

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/executortest"
)

// Checks tests Check against a server's response about its models. Without a Kind
// the check must pass; without a Status no server listens.
func (v Vendor) Checks(t *testing.T, name string, s Response) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		server := NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet || r.URL.Path != v.ModelPath {
				t.Errorf("a check costs nothing, but it asked %s %s", r.Method, r.URL.Path)
			}
			s.ServeHTTP(w, r)
		}))
		e := v.create(t, At(server))
		if s.Status == 0 {
			server.Close()
		}
		err := e.Check(t.Context())
		if s.Kind == "" {
			require.NoError(t, err)
			return
		}
		s.Require(t, err)
		require.ErrorContains(t, err, v.Name+": check: ")
		require.NotContains(t, err.Error(), Key)
	})
}

func (v Vendor) check(t *testing.T) {
	for name, s := range map[string]Response{
		"Works":         {Status: 200, Body: "{}"},
		"AnyBody":       {Status: 200, Body: "whatever"},
		"NoList":        {Status: 404, Body: "404 page not found"},
		"MayNotList":    {Status: 403, Body: "{}"},
		"WrongKey":      {Status: 401, Body: v.Error(401, Key), Kind: unauth, Text: "check api_key"},
		"Limited":       {Status: 429, Body: "{}", Kind: limited, Text: "429"},
		"OutOfOrder":    {Status: 502, Body: "<html>", Kind: down, Text: "502 Bad Gateway"},
		"ServerMissing": {Kind: down, Text: "check base_url, and that the server is running"},
	} {
		v.Checks(t, name, s)
	}
}

// needsAKey calls the vendor's own API without a key.
func (v Vendor) needsAKey(t *testing.T) {
	s := via(NoNetwork{t})
	s.NoKey = true
	e := v.create(t, s) // an executor without a key is listed as unavailable
	require.ErrorContains(t, e.Check(t.Context()), "there is no API key (set api_key")
	_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
	require.True(t, conversation.IsKind(err, conversation.Unauthorized), "%v", err)
}
