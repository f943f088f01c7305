//go:build conformance

package examples_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/command"
	"github.com/parley-run/parley/executors/executortest"
	agent "github.com/parley-run/parley/executors/http"
)

// These tests need packages from PyPI and npm. Where they cannot be had, the
// tests fail and say why.

var installing sync.Mutex

// python returns the interpreter of an environment with an example's packages. It
// is made once and kept in the user's cache.
func python(t *testing.T, example string) string {
	t.Helper()
	installing.Lock()
	defer installing.Unlock()
	requirements, err := filepath.Abs(filepath.Join(example, "requirements.txt"))
	require.NoError(t, err)
	data, err := os.ReadFile(requirements)
	require.NoError(t, err)
	sum := sha256.Sum256(data)
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	venv := filepath.Join(cache, "parley", "examples", example+"-"+hex.EncodeToString(sum[:6]))
	interpreter := filepath.Join(venv, "bin", "python")
	done := filepath.Join(venv, "complete")
	if _, err := os.Stat(done); err == nil {
		return interpreter
	}
	must(t, "python3 with its module venv is needed (on Debian: apt-get install python3-venv)", "python3", "-m", "venv", "--clear", venv)
	must(t, "the packages of "+requirements+" are needed, from PyPI or a mirror set by PIP_INDEX_URL",
		interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements)
	require.NoError(t, os.WriteFile(done, nil, 0o600))
	return interpreter
}

func must(t *testing.T, why, name string, args ...string) {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	require.NoError(t, err, "%s\n%s", why, out)
}

func TestLangChainAsProgram(t *testing.T) {
	t.Parallel()
	cfg := configured[command.Config](t, "python", "langchain-command")
	cfg.Command[0] = python(t, "python")
	e := run(t, cfg, "python") // one for all: importing LangChain takes its time
	executortest.Run(t, executortest.Fixture{New: func(*testing.T) executors.Executor { return e }})
	langchain(t, e)
}

func TestLangChainOverHTTP(t *testing.T) {
	t.Parallel()
	u := start(t, "python", nil, python(t, "python"), "langchain_agent.py", "--http", "0")
	cfg := configured[agent.Config](t, "python", "langchain-http")
	executortest.Run(t, executortest.Fixture{New: func(t *testing.T) executors.Executor { return moved(t, cfg, u) }})
	langchain(t, moved(t, cfg, u))
}

func langchain(t *testing.T, e executors.Executor) {
	t.Helper()
	res, err := e.Execute(t.Context(), executortest.Request("c1", "My fern is brown."))
	require.NoError(t, err)
	require.Equal(t, "You said: My fern is brown.. Water it once a week.", res.Message.Text())
	require.Equal(t, "langchain", res.Provider)
	require.Equal(t, "stand-in", res.Model)
}

// The real LangServe, and not our idea of it.
func TestLangServe(t *testing.T) {
	t.Parallel()
	u := start(t, "langserve", nil, python(t, "langserve"), "server.py", "0")
	for _, name := range []string{"langserve", "langserve-stream"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := configured[agent.Config](t, "langserve", name)
			executortest.Run(t, executortest.Fixture{New: func(t *testing.T) executors.Executor { return moved(t, cfg, u) }})
			res, err := moved(t, cfg, u).Execute(t.Context(), executortest.Request("c1", "Polly!"))
			require.NoError(t, err)
			require.Equal(t, "Polly!", res.Message.Text())
		})
	}
}

// The types in the agent's comments are right.
func TestNodeTypes(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("npx", "--yes", "-p", "typescript@5.9.3", "-p", "@types/node@24", "-c",
		`tsc -p . --typeRoots "$(dirname "$(dirname "$(command -v tsc)")")/@types"`)
	cmd.Dir = "node"
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "npx with typescript from npm is needed, and the types must be right\n%s", out)
}
