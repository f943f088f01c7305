package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/parley-run/parley/secret"
)

const value = "sk-hush-1234"

type config struct {
	Key    secret.String            `json:"key" yaml:"key"`
	Ptr    *secret.String           `json:"ptr" yaml:"ptr"`
	Keys   []secret.String          `json:"keys" yaml:"keys"`
	ByName map[string]secret.String `json:"by_name" yaml:"by_name"`
}

func TestNeverShown(t *testing.T) {
	t.Parallel()
	key := secret.String(value)
	c := config{Key: key, Ptr: &key, Keys: []secret.String{key}, ByName: map[string]secret.String{"x": key}}

	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%10s", "% x"} {
		fmt.Fprintf(&out, verb, key)
		fmt.Fprintf(&out, verb, &key)
		fmt.Fprintf(&out, verb, c)
		fmt.Fprintf(&out, verb, []any{c, key, &key})
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("x", "key", key, "config", c, "pointer", &c)
	}
	require.NoError(t, json.NewEncoder(&out).Encode(c))
	require.NoError(t, yaml.NewEncoder(&out).Encode(c))
	require.NoError(t, yaml.NewEncoder(&out).Encode(&c))

	require.NotContains(t, out.String(), value)
	require.NotContains(t, out.String(), fmt.Sprintf("%x", value))
	require.NotContains(t, out.String(), fmt.Sprintf("%X", value))
	require.Contains(t, out.String(), "[redacted]")
}

func TestEmptyShowsNothing(t *testing.T) {
	t.Parallel()
	require.Empty(t, fmt.Sprint(secret.String("")))
}

func TestDecodes(t *testing.T) {
	t.Parallel()
	var fromJSON, fromYAML config
	require.NoError(t, json.Unmarshal([]byte(`{"key": "`+value+`"}`), &fromJSON))
	require.NoError(t, yaml.Unmarshal([]byte("key: "+value), &fromYAML))
	require.Equal(t, value, fromJSON.Key.Reveal())
	require.Equal(t, value, fromYAML.Key.Reveal())
}
