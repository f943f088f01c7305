package examples_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/internal/assemble"
	"github.com/parley-run/parley/internal/config"
)

// The program is found where the configuration says, from wherever Parley is
// started.
func TestPlainAsConfigured(t *testing.T) {
	t.Parallel()
	needs(t, "python3")
	given := map[string]string{"AGENT_TOKEN": token, "AGENT_HMAC_SECRET": hmacSecret}
	c, err := assemble.Read(config.Source{Path: filepath.Join("python", "parley.yaml"), Lookup: func(name string) (string, bool) {
		value, ok := given[name]
		return value, ok
	}})
	require.Error(t, err, "it has executors alone, to be copied")
	require.NotNil(t, c)
	assembled, err := assemble.Build(&config.Config{Dir: c.Dir, Executors: c.Executors}, assemble.Builtin())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, assembled.Close()) })
	_, e, err := assembled.Executors.Resolve(t.Context(), "plain-command")
	require.NoError(t, err)
	res, err := e.Execute(t.Context(), executortest.Request("c1", "Hello?"))
	require.NoError(t, err)
	require.Equal(t, "What is your order's number?", res.Message.Text())
}
