package limit_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/executors/limit"
	"github.com/parley-run/parley/secret"
)

func TestNewKey(t *testing.T) {
	t.Parallel()
	headers := map[string]secret.String{"authorization": "s3cret", "X-Other": "other"}
	want := limit.Key{Provider: "openai", Endpoint: "https://a.example/v1", Credential: limit.Fingerprint("s3cret")}
	for name, got := range map[string]limit.Key{
		"Key":           limit.NewKey("openai", "https://a.example/v1", "s3cret", nil),
		"Slash":         limit.NewKey("openai", "https://A.example/v1/", "s3cret", nil),
		"RestOfAddress": limit.NewKey("openai", "https://user:pass@a.example/v1?key=x#y", "s3cret", nil),
		"Header":        limit.NewKey("openai", "https://a.example/v1", "", headers, "X-Api-Key", "Authorization"),
		"KeyFirst":      limit.NewKey("openai", "https://a.example/v1", "s3cret", map[string]secret.String{"Authorization": "other"}, "Authorization"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, want, got)
			require.NotContains(t, got.String(), "s3cret")
		})
	}
	require.NotEqual(t, want, limit.NewKey("openai", "https://a.example/v1", "other", nil))
	require.Equal(t, limit.Key{Provider: "http"}, limit.NewKey("http", "no address", "", headers, "X-Api-Key"))
}
