package settings_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/settings"
	"github.com/parley-run/parley/secret"
)

func TestWebSocketURL(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"":                     "",
		"ws://engine:49134":    "",
		"https://engine/path":  "",
		"hunter2":              "is no address of an engine: write it in full, such as ws://e",
		"localhost:49134":      "is no address of an engine",
		"ftp://hunter2.test":   "begins with none of ws, wss, http and https",
		"ws://me:hunter2@host": "contains a user name or password: leave them out",
	} {
		err := settings.WebSocketURL(raw, "ws://e")
		if want == "" {
			require.NoError(t, err, raw)
			continue
		}
		require.ErrorContains(t, err, want, raw)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func TestReveal(t *testing.T) {
	t.Parallel()
	values := map[string]secret.String{"X-Key": "from a file\n"}
	require.Equal(t, "from a file", settings.RevealHeaders(values).Get("x-key"))
	require.Equal(t, "from a file", settings.RevealQuery(values).Get("X-Key"))
}
