package assemble_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/internal/assemble"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/tools"
)

// asProgram makes the test binary a server of tools, whose one says where it runs.
const asProgram = "PARLEY_TEST_TOOLS"

func serveTools() {
	_, _ = fmt.Fprintln(os.Stderr, "serving with", os.Getenv("CRM_KEY"))
	server := sdk.NewServer(&sdk.Implementation{Name: "test", Version: "1"}, nil)
	for _, name := range []string{"where", "delete", "hidden"} {
		sdk.AddTool(server, &sdk.Tool{Name: name}, func(context.Context, *sdk.CallToolRequest, struct{}) (*sdk.CallToolResult, any, error) {
			dir, err := os.Getwd()
			return &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: dir}}}, nil, err
		})
	}
	_ = server.Run(context.Background(), &sdk.StdioTransport{}) // until the client is gone
}

const withTools = `
platforms:
  main: {type: onerun, base_url: "http://127.0.0.1:1", api_key: "${KEY}"}
agents:
  desk: {project: p1, agent: a1, tools: [crm]}
executors:
  script: {type: scripted}
tools:
`

// A log may be read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func TestToolsOfAServer(t *testing.T) {
	t.Parallel()
	binary, err := os.Executable()
	require.NoError(t, err)
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "crm"), 0o700))
	path := filepath.Join(dir, "parley.yaml")
	require.NoError(t, os.WriteFile(path, []byte(withTools+`
  crm:
    type: mcp
    command: ["${BINARY}"]
    dir: crm
    env: {`+asProgram+`: "1", CRM_KEY: "${KEY}"}
    allow: [where, delete]
    ask: [delete]
    timeout: 20s
`), 0o600))
	env := map[string]string{"KEY": "s3cret-one", "BINARY": binary}
	var log lines
	backends := assemble.Builtin()
	backends.Process = assemble.Process{Version: "v1", Logger: slog.New(slog.NewTextHandler(&log, nil))}
	a, err := assemble.LoadWith(config.Source{Path: path, Lookup: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}, backends)
	require.NoError(t, err)
	defer func() { require.NoError(t, a.Close()) }() // goleak sees that it ends the program

	require.Equal(t, []tools.Listing{{Name: "crm", Available: true, Tools: []string{"delete", "where"}, Ask: []string{"delete"}}}, a.Tools.List(t.Context()))
	offered, err := a.Tools.Offer(t.Context(), []string{"crm"})
	require.NoError(t, err)
	require.Len(t, offered, 2)
	require.True(t, offered[0].Ask)
	require.False(t, offered[1].Ask)
	require.Equal(t, "20s", offered[1].Timeout.String())
	result, err := a.Tools.Call(t.Context(), "crm", tools.Call{
		Conversation: conversation.Ref{Platform: "main", Project: "p1", Agent: "a1", ID: "c"}, Name: "where", Key: "k", Attempt: 1,
	})
	require.NoError(t, err)
	require.Equal(t, tools.Result{Content: filepath.Join(dir, "crm")}, result)
	require.Contains(t, log.String(), "serving with [redacted]")
	require.NotContains(t, log.String(), "s3cret")
}

// Programs that speak for an agent log to the worker's log too.
func TestCommandLogs(t *testing.T) {
	t.Parallel()
	var log lines
	backends := assemble.Builtin()
	backends.Process.Logger = slog.New(slog.NewTextHandler(&log, nil))
	env := environment(nil)
	env["PATH"] = os.Getenv("PATH")
	a, err := assemble.LoadWith(source(fmt.Sprintf(agentOnOneRun, "it")+`
  it: {type: command, command: [sh, -c, "echo said something >&2; exit 3"]}
`, env), backends)
	require.NoError(t, err)
	e, err := a.Executors.Get("it")
	require.NoError(t, err)
	_, err = e.Execute(t.Context(), executortest.Request("c1", "Hello"))
	require.Error(t, err)
	require.NoError(t, a.Close())
	require.Contains(t, log.String(), `line="said something"`)
}

func TestFaultsOfTools(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		tools string
		want  []string
	}{
		"Settings": {"  crm: {type: mcp, command: [x], url: \"http://x\", connect_timeout: -1s, environ: x, timeout: -1s}\n", []string{
			"tools.crm.timeout is -1s: write more than 0, or leave it out for 1m0s",
			"tools.crm.environ is no setting of mcp: there are allow, ask, command, connect_timeout, dir, env, headers, retry, timeout, type, url",
			"tools.crm.connect_timeout is -1s: write more than 0, or leave it out",
			"tools.crm.url is given, and command too: give one of the two",
		}},
		"Retry": {"  crm: {type: mcp, command: [x], allow: [find], retry: {find: sometimes, refund: never}}\n  b: {type: mcp, command: [x], retry: often}\n  c: {type: mcp, command: [x], retry: [find]}\n", []string{
			`tools.crm.retry.find is "sometimes": write never, safe or always`,
			"tools.crm.retry.refund is of a tool that is not among those that allow names, so it is never called",
			`tools.b.retry is "often": write never, safe or always`,
			"tools.c.retry: write never, safe or always, or a mapping of tools to these",
		}},
		"UnknownType": {"  crm: {type: mpc}\n  other: {allow: [x]}\n", []string{
			`tools.crm.type is "mpc": write one of mcp`,
			"tools.other.type is missing: write one of mcp",
		}},
		"Name": {"  crm: {type: mcp, url: \"http://x\"}\n  my.tools: {type: mcp, url: \"http://x\"}\n", []string{
			`tools.my.tools: the name must be made of letters, digits, "_" and "-", at most 32`,
		}},
		"SecretWrittenOut": {"  crm: {type: mcp, url: \"http://x\", headers: {Authorization: sk-12345}}\n", []string{
			"tools.crm.headers.Authorization is written out: keep secrets out of the file, write ${HEADERS_AUTHORIZATION} or ${file:/path/to/it}",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := assemble.Load(source(withTools+tc.tools, environment(nil)))
			require.Error(t, err)
			require.NotContains(t, err.Error(), "sk-12345")
			require.ElementsMatch(t, tc.want, withoutPlaces(err))
		})
	}
}
