package modelcall_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/executors/internal/modelcall"
)

func TestSameServer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		a, b string
		same bool
	}{
		"Path":        {"https://host/a", "https://host/b?c", true},
		"Case":        {"https://host/", "HTTPS://HOST/", true},
		"DefaultPort": {"https://host/", "https://host:443/", true},
		"PlainPort":   {"http://host:80/", "http://host/", true},
		"OtherPort":   {"https://host/", "https://host:8443/", false},
		"OtherScheme": {"https://host:443/", "http://host:443/", false},
		"OtherHost":   {"https://host/", "https://host.example/", false},
		"IPv6":        {"http://[::1]:80/", "http://[::1]/", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, err := url.Parse(c.a)
			require.NoError(t, err)
			b, err := url.Parse(c.b)
			require.NoError(t, err)
			require.Equal(t, c.same, modelcall.SameServer(a, b))
		})
	}
}
