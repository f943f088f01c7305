package examples_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/assemble"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/tools"
)

// The example's server, run as its configuration says.
func TestMCPTool(t *testing.T) {
	t.Parallel()
	// Compiling it takes longer than a listing may where nothing is in the cache.
	out, err := exec.Command("go", "build", "-o", filepath.Join(t.TempDir(), "server"), "./mcp-tool/server").CombinedOutput()
	require.NoError(t, err, "%s", out)
	given := map[string]string{
		"ONERUN_API_BASE_URL": "http://127.0.0.1:1", "ONERUN_API_KEY": "key", "ONERUN_PROJECT_ID": "p1", "ONERUN_AGENT_ID": "a1",
	}
	assembled, err := assemble.Load(config.Source{Path: filepath.Join("mcp-tool", "parley.yaml"), Lookup: func(name string) (string, bool) {
		if value, ok := given[name]; ok {
			return value, true
		}
		return os.LookupEnv(name)
	}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, assembled.Close()) })
	require.Equal(t, []string{"shop"}, assembled.Inboxes[0].Settings.Policy.Tools)

	var offered []tools.Offered
	require.Eventually(t, func() bool { // "go run" links the server, on a busy machine for longer than a listing may take
		offered, err = assembled.Tools.Offer(t.Context(), []string{"shop"})
		return err == nil
	}, 2*time.Minute, 100*time.Millisecond, "%v", err)
	asks := map[string]bool{}
	for _, o := range offered {
		asks[o.Name] = o.Ask
		require.NotEmpty(t, o.Tool.Description)
	}
	require.Equal(t, map[string]bool{"find_order": false, "opening_hours": false, "refund": true}, asks)

	say := func(name, arguments, key string) tools.Result {
		result, err := assembled.Tools.Call(t.Context(), "shop", tools.Call{Name: name, Arguments: json.RawMessage(arguments), Key: key})
		require.NoError(t, err)
		return result
	}
	require.Equal(t, tools.Result{Content: "Order 1042: a monstera, sent yesterday, arrives tomorrow."}, say("find_order", `{"number":1042}`, "k1"))
	require.Equal(t, tools.Result{Content: "there is no order 7: ask for the number on the invoice", IsError: true}, say("find_order", `{"number":7}`, "k2"))
	require.Contains(t, say("opening_hours", "", "k3").Content, "Monday to Saturday")
	first := say("refund", `{"number":1042}`, "k4")
	require.Equal(t, tools.Result{Content: "Order 1042 is refunded: receipt 1."}, first)
	require.Equal(t, first, say("refund", `{"number":1042}`, "k4"), "another attempt at the same call")
	require.Equal(t, tools.Result{Content: "Order 1043 is refunded: receipt 2."}, say("refund", `{"number":1043}`, "k5"))
}
