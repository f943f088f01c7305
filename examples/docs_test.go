package examples_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/command"
	"github.com/parley-run/parley/executors/executortest"
	agent "github.com/parley-run/parley/executors/http"
)

var pythonBlock = regexp.MustCompile("(?s)```python\n(.*?)```")

// documented writes the first program of a page of the documentation to a file
// and returns its folder.
func documented(t *testing.T, page string, changes ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", "executors", page))
	require.NoError(t, err)
	found := pythonBlock.FindStringSubmatch(string(text))
	require.NotNil(t, found, "%s has no program", page)
	program := found[1]
	for i := 0; i+1 < len(changes); i += 2 {
		require.Contains(t, program, changes[i])
		program = strings.ReplaceAll(program, changes[i], changes[i+1])
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "agent.py"), []byte(program), 0o600))
	return dir
}

// The smallest agents of the documentation keep the contract.
func TestDocumentedAgents(t *testing.T) {
	t.Parallel()
	needs(t, "python3")
	t.Run("command", func(t *testing.T) {
		t.Parallel()
		dir := documented(t, "command.md")
		executortest.Run(t, executortest.Fixture{New: func(t *testing.T) executors.Executor {
			return run(t, command.Config{Command: []string{"python3", "agent.py"}}, dir)
		}})
	})
	t.Run("http", func(t *testing.T) {
		t.Parallel()
		dir := documented(t, "http.md", `HTTPServer(("127.0.0.1", 8000), Agent).serve_forever()`,
			"import sys\nserver = HTTPServer((\"127.0.0.1\", 0), Agent)\n"+
				"print(f\"listening on http://127.0.0.1:{server.server_port}\", file=sys.stderr, flush=True)\nserver.serve_forever()")
		u := start(t, dir, nil, "python3", "agent.py")
		executortest.Run(t, executortest.Fixture{New: func(t *testing.T) executors.Executor {
			return moved(t, agent.Config{URL: "http://127.0.0.1:8000/reply"}, u)
		}})
	})
}
