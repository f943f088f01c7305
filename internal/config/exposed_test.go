package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/assemble"
	"github.com/parley-run/parley/internal/config"
)

// A key beside an address without encryption on another machine is reported, with the
// setting and without the key.
func TestExposed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "parley.yaml")
	require.NoError(t, os.WriteFile(path, []byte(`
platforms:
  far: {type: onerun, base_url: "http://onerun.example:8080", api_key: "${KEY}"}
  near: {type: onerun, base_url: "http://127.0.0.1:8080", api_key: "${KEY}"}
  engine: {type: iii, url: "ws://engine.example:49134", headers: {X-Any: "${KEY}"}}
executors:
  safe: {type: http, url: "https://agent.example/", bearer_token: "${KEY}"}
  plain: {type: http, url: "http://agent.example/", bearer_token: "${KEY}"}
  keyless: {type: http, url: "http://agent.example/"}
  signed: {type: http, url: "http://agent.example/", hmac: {secret: "${KEY}"}}
  local: {type: openai, model: m, base_url: "http://localhost:11434/v1", api_key: "${KEY}"}
  card: {type: a2a, url: "http://10.0.0.7/", headers: {X-Api-Key: "${KEY}"}}
tools:
  crm: {type: mcp, url: "http://crm.example/mcp", headers: {Authorization: "Bearer ${KEY}"}}
agents:
  desk: {platform: far, project: p1, agent: a1, executor: safe}
`), 0o600))
	c, err := assemble.Read(config.Source{Path: path, Lookup: func(name string) (string, bool) { return "very-secret", name == "KEY" }})
	require.NoError(t, err)
	var found []string
	for _, e := range c.Exposed() {
		require.NotContains(t, e.Error(), "very-secret")
		require.Contains(t, e.Error(), "without encryption")
		found = append(found, e.(*config.Fault).Key) //nolint:errorlint // not wrapped
	}
	require.Equal(t, []string{
		"platforms.far.base_url", "platforms.engine.url", "executors.plain.url", "executors.card.url", "tools.crm.url",
	}, found)
}
