package uilink_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/uilink"
)

func TestBase(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                              "",
		"http://127.0.0.1:8233":         "http://127.0.0.1:8233",
		"http://127.0.0.1:8233/":        "http://127.0.0.1:8233",
		"https://example.com/temporal/": "https://example.com/temporal",
		"http://[::1]:8233//":           "http://[::1]:8233",
	} {
		got, err := uilink.Base(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got)
	}
	for _, in := range []string{
		"127.0.0.1:8233", "localhost:8233", "ftp://example.com", "http://", "https:///x", "http://u:secret@example.com",
		"http://example.com?x=secret", "http://example.com/?", "http://example.com/#secret", "http://secret\x1b[2J/", "http://exa mple/secret", "javascript:alert(1)",
	} {
		_, err := uilink.Base(in)
		require.ErrorContains(t, err, "http://127.0.0.1:8233", in)
		require.NotContains(t, err.Error(), "secret")
		require.NotContains(t, err.Error(), "\x1b")
	}
}

func TestCloud(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"ns.a1b2c.tmprl.cloud:7233":            "https://cloud.temporal.io",
		"us-east-1.aws.api.temporal.io:7233":   "https://cloud.temporal.io",
		"NS.A1B2C.TMPRL.CLOUD":                 "https://cloud.temporal.io",
		"127.0.0.1:7233":                       "",
		"tmprl.cloud.example.com:7233":         "",
		"nottmprl.cloud:7233":                  "",
		"temporal.parley.svc.cluster.local:80": "",
	} {
		require.Equal(t, want, uilink.Cloud(in), in)
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	const base = "http://127.0.0.1:8233/ui"
	require.Equal(t, base+"/namespaces/default/workflows/onerun%2Fp%2Fcv_1/run-1/history", uilink.Conversation(base, "default", "onerun/p/cv_1", "run-1"))
	require.Equal(t, base+"/namespaces/ns.acct/workflows/onerun%2Fp%2Fcv_1", uilink.Conversation(base, "ns.acct", "onerun/p/cv_1", ""))
	require.Equal(t, base+"/namespaces/default/workflows", uilink.List(base, "default", ""))
	require.Equal(t, base+"/namespaces/default/workflows?query=ParleyStatus%20%3D%20%27talking%27", uilink.List(base, "default", "ParleyStatus = 'talking'"))
	require.Empty(t, uilink.Conversation("", "default", "id", ""))
	require.Empty(t, uilink.Conversation(base, "default", "", ""))
	require.Empty(t, uilink.List("", "default", "x"))
}

// No id leaves its segment, whatever it has, and each can be read from the address again.
func FuzzConversation(f *testing.F) {
	for _, id := range []string{"onerun/p/cv 1", "a%2Fb%25", "..", ".", "a/../b", "?x=1#y", "\"><script>", "(a)[b]<c>`d`", "ü\u202e\x1b[2J", "a+b&c=d;e"} {
		f.Add(id, "default")
	}
	f.Fuzz(func(t *testing.T, id, namespace string) {
		if id == "" || namespace == "" {
			return
		}
		address := uilink.Conversation("http://127.0.0.1:8233", namespace, id, "run")
		require.Regexp(t, `^http://127\.0\.0\.1:8233/namespaces/[A-Za-z0-9_.~%-]+/workflows/[A-Za-z0-9_.~%-]+/run/history$`, address)
		u, err := url.Parse(address)
		require.NoError(t, err)
		require.Equal(t, "/namespaces/"+namespace+"/workflows/"+id+"/run/history", u.Path)
		require.Equal(t, u, u.JoinPath(), "no segment moves up")
		require.Equal(t, id, mustQuery(t, uilink.List("http://h", "n", id)))
	})
}

func mustQuery(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	return u.Query().Get("query")
}
