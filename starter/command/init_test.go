package command

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/assemble"
	"github.com/parley-run/parley/internal/config"
)

// initialise runs init in a folder of its own, without a Temporal server.
func initialise(t *testing.T, code int, args ...string) (path, stdout, stderr string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "parley.yaml")
	args = append([]string{"init", path, "--temporal-address", "127.0.0.1:1", "--timeout", "2s"}, args...)
	var out, err bytes.Buffer
	got := run(t.Context(), args, []string{"SUPPORT_KEY=s3cret-0123456789"}, strings.NewReader(""), &out, &err)
	require.Equal(t, code, got, "%s%s", &out, &err)
	return path, out.String(), err.String()
}

// The file stays, whatever doctor finds, and doctor's exit code is init's.
func TestInitWritesAndRunsDoctor(t *testing.T) {
	t.Parallel()
	path, stdout, _ := initialise(t, codeFailed, "--platform", "direct", "--executor", "scripted")
	require.Contains(t, stdout, "wrote "+path+": agent support on platform direct, with executor scripted")
	require.Contains(t, stdout, "✓ configuration: "+path+": 1 platform, 1 agent")
	require.Contains(t, stdout, "✗ Temporal: no Temporal server at 127.0.0.1:1")
	require.Contains(t, stdout, "✓ executor scripted")

	a, err := assemble.Load(config.Source{Path: path})
	require.NoError(t, err)
	require.NoError(t, a.Close())
}

func TestInitListsVariables(t *testing.T) {
	t.Parallel()
	_, stdout, _ := initialise(t, codeFailed, "--platform", "onerun", "--executor", "openai", "--project", "pr_1", "--agent-id", "ag_1")
	require.Contains(t, stdout, "Set these variables where the worker runs")
	require.Contains(t, stdout, "  ONERUN_API_KEY: the key that OneRun has as AUTH_API_KEY\n")
	require.Contains(t, stdout, "  OPENAI_API_KEY\n")
	require.NotContains(t, stdout, "ONERUN_PROJECT_ID")
	require.Contains(t, stdout, "✗ configuration: ")

	var document struct {
		File      string
		Variables []needed
		Checks    []finding
		Wrong     int
	}
	path, stdout, _ := initialise(t, codeFailed, "--platform", "direct", "--executor", "gemini", "-o", "json")
	require.NoError(t, json.Unmarshal([]byte(stdout), &document), stdout)
	require.Equal(t, path, document.File)
	require.Equal(t, []needed{{Name: "GEMINI_API_KEY", Required: true}}, document.Variables)
	require.Positive(t, document.Wrong)
	require.NotEmpty(t, document.Checks)
}

// What cannot be is refused before anything is written.
func TestInitRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"no terminal": {nil, "give --platform (direct, iii, onerun, pulse) and --executor ("},
		"unknown":     {[]string{"--platform", "direct", "--executor", "opnai"}, `there is no executor "opnai": did you mean openai?`},
		"address":     {[]string{"--platform", "direct", "--executor", "http", "--url", "nowhere"}, "executors.http.url"},
		"name":        {[]string{"--platform", "direct", "--executor", "scripted", "--name", "a/b"}, "is no usable name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, _, stderr := initialise(t, codeUsage, tc.args...)
			require.Contains(t, stderr, tc.want)
			require.NoFileExists(t, path)
		})
	}
}

func TestInitOverwritesOnlyWithForce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "mine.yaml")
	require.NoError(t, os.WriteFile(path, []byte("mine"), 0o600))
	again := func(code int, more ...string) string {
		args := append([]string{"init", "--config", path, "--platform", "direct", "--executor", "scripted", "--temporal-address", "127.0.0.1:1", "--timeout", "2s"}, more...)
		var out, err bytes.Buffer
		require.Equal(t, code, run(t.Context(), args, nil, strings.NewReader(""), &out, &err), "%s%s", &out, &err)
		return err.String()
	}
	require.Contains(t, again(codeUsage), path+" exists: give --force to overwrite it")
	kept, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "mine", string(kept))

	again(codeFailed, "--force")
	written, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(written), "type: scripted")
}

// On a terminal it asks, takes defaults, and asks again after a wrong answer.
func TestInitAsks(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "parley.yaml")
	c := openTerminal(t, []string{"HOME=" + t.TempDir()}, "init", path, "--temporal-address", "127.0.0.1:1", "--timeout", "2s")
	c.expect("Where do conversations come from?")
	c.expect("platform [direct]: ")
	c.enter("onrun\n")
	c.expect("There is no onrun: did you mean onerun?")
	c.expect("platform [direct]: ")
	c.enter("\n")
	c.expect("What replies?")
	c.expect("executor [openai]: ")
	c.enter("\n")
	c.expect("model [gpt-4.1-mini]: ")
	c.enter("gpt-test\n")
	c.expect("wrote " + path[:20])
	c.expect("OPENAI_API_KEY")
	c.expect("✗ configuration")
	c.ends(codeFailed)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(text), "model: gpt-test")

	path = filepath.Join(t.TempDir(), "parley.yaml")
	c = openTerminal(t, nil, "init", path)
	c.expect("platform [direct]: ")
	c.enter(ctrlD)
	c.expect("nothing was written")
	c.ends(codeFailed)
	require.NoFileExists(t, path)
}
