package pulse_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/pulsetest"
	"github.com/parley-run/parley/platforms/pulse"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, stage := range allStages {
		t.Run(string(stage), func(t *testing.T) {
			t.Parallel()
			b := setup(t, pulsetest.Config{Stage: stage})
			require.NoError(t, b.platform.Check(t.Context(), "", ""))
			require.NoError(t, b.platform.Check(t.Context(), "", "a-1"))
			got, err := b.platform.Client().Stage(t.Context())
			require.NoError(t, err)
			require.Equal(t, stage, got)
		})
	}
}

func TestCheckFaults(t *testing.T) {
	t.Parallel()
	page := func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>hello</html>")) }
	for _, tt := range []struct {
		name string
		cfg  func(b *bundle, c *pulse.Config)
		kind conversation.Kind
		want []string
	}{
		{"WrongKey", func(_ *bundle, c *pulse.Config) { c.Key = "hush" }, conversation.Unauthorized,
			[]string{"401", "check api_key, or PULSE_API_KEY, against the server's API_KEY"}},
		{"NoKey", func(_ *bundle, c *pulse.Config) { c.Key = "" }, conversation.Unauthorized,
			[]string{"401", "the server wants a key: set api_key, or PULSE_API_KEY"}},
		{"NobodyThere", func(_ *bundle, c *pulse.Config) { c.URL = "http://127.0.0.1:1" }, conversation.Unavailable,
			[]string{"refused", "is Pulse running there?"}},
		{"WebPage", func(_ *bundle, c *pulse.Config) { c.URL = serve(t, http.HandlerFunc(page)) }, conversation.Unavailable,
			[]string{"web page", "port 8000"}},
		{"WrongPath", func(b *bundle, c *pulse.Config) { c.URL = b.url + "/base" }, conversation.Unavailable,
			[]string{"nothing like Pulse is at"}},
		{"AnotherAPI", func(_ *bundle, c *pulse.Config) {
			c.URL = serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"paths":{"/pets":{}}}`)) }))
		}, conversation.Invalid, []string{"no routes to claim", "is http"}},
		{"Ill", func(b *bundle, _ *pulse.Config) { b.Fail(pulsetest.Fault{Op: pulsetest.OpHealth, Status: 503}) },
			conversation.Unavailable, []string{"health", "503"}},
		{"Redirect", func(_ *bundle, c *pulse.Config) {
			c.URL = serve(t, http.RedirectHandler("https://login.example/?next=x", http.StatusFound))
		}, conversation.Unavailable, []string{"the server redirects to https://login.example: set url"}},
		{"TLS", func(b *bundle, c *pulse.Config) { c.URL = "https" + b.url[len("http"):] }, conversation.Unavailable,
			[]string{"url says https, the server speaks http"}},
		{"Certificate", func(_ *bundle, c *pulse.Config) {
			s := httptest.NewUnstartedServer(http.NotFoundHandler())
			s.Config.ErrorLog = quiet
			s.StartTLS()
			t.Cleanup(s.Close)
			c.URL = s.URL
		}, conversation.Unavailable, []string{"certificate is not trusted"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := setup(t, pulsetest.Config{})
			err := b.another(t, func(c *pulse.Config) { tt.cfg(b, c) }).Check(t.Context(), "", "")
			isKind(t, tt.kind, err)
			for _, want := range tt.want {
				require.ErrorContains(t, err, want)
			}
			require.NotContains(t, err.Error(), "hush")
		})
	}
}

// TestCheckReportsEveryFault: and the project, which Pulse has none of, is one.
func TestCheckReportsEveryFault(t *testing.T) {
	t.Parallel()
	b := setup(t, pulsetest.Config{})
	err := b.another(t, func(c *pulse.Config) { c.Key = "wrong" }).Check(t.Context(), "p1", "")
	require.ErrorContains(t, err, `project "p1": there are no projects in Pulse (leave project out)`)
	require.ErrorContains(t, err, "401")
}

// TestNoOpenAPI: a server that does not show its routes is worked with all the
// same.
func TestNoOpenAPI(t *testing.T) {
	t.Parallel()
	b := setup(t, pulsetest.Config{})
	b.Fail(pulsetest.Fault{Op: pulsetest.OpOpenAPI, Status: 404})
	require.NoError(t, b.platform.Check(t.Context(), "", ""))
	_, err := b.platform.Client().Stage(t.Context())
	isKind(t, conversation.NotFound, err)
}
