package assemble_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/parley-run/parley/internal/assemble"
	"github.com/parley-run/parley/internal/config"
)

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// What the documentation shows of parley.yaml is what the worker reads.
func TestDocumentedConfigurations(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../../docs/*/*.md")
	require.NoError(t, err)
	found := 0
	above, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	for _, page := range append(pages, above...) {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, m := range yamlBlock.FindAllSubmatch(text, -1) {
			whole, ok := completed(t, m[1])
			if !ok {
				continue // something else than a configuration
			}
			found++
			requireLoads(t, page, whole)
		}
	}
	require.Greater(t, found, 8)
}

// And so are the examples.
func TestConfigurationsOfExamples(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../examples/*/parley.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		if _, err := os.Stat(filepath.Join(filepath.Dir(file), "go.mod")); err == nil {
			continue // it names what a program of its own brings, and has a test there
		}
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		whole, ok := completed(t, text)
		require.True(t, ok, file)
		requireLoads(t, file, whole)
	}
}

// requireLoads reads a configuration as the worker does, with every variable set.
func requireLoads(t *testing.T, name string, whole []byte) {
	t.Helper()
	a, err := assemble.Load(config.Source{
		Lookup: func(name string) (string, bool) {
			switch {
			case name == "PARLEY_CONFIG":
				return "", false
			case strings.HasSuffix(name, "_URL"):
				return "http://localhost:3001", true
			}
			return "set-in-the-environment", true // secrets have a least length
		},
		ReadFile: func(path string) ([]byte, error) {
			if path == config.DefaultFile {
				return whole, nil
			}
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		},
	})
	require.NoError(t, err, "%s\n%s", name, whole)
	require.NoError(t, a.Close())
}

// completed adds what a page leaves out: the sections, and the entries that agents
// name.
func completed(t *testing.T, block []byte) ([]byte, bool) {
	t.Helper()
	var file map[string]any
	if yaml.Unmarshal(block, &file) != nil {
		return nil, false
	}
	if file["executors"] == nil && file["tools"] == nil && file["agents"] == nil {
		return nil, false
	}
	section := func(name string) map[string]any {
		if file[name] == nil {
			file[name] = map[string]any{}
		}
		entries, ok := file[name].(map[string]any)
		require.True(t, ok, "%s in\n%s", name, block)
		return entries
	}
	put := func(entries map[string]any, name, value any) {
		if key, ok := name.(string); ok && entries[key] == nil {
			entries[key] = value
		}
	}
	platforms, executors, agents := file["platforms"] == nil, file["executors"] == nil, section("agents")
	if len(agents) == 0 {
		agents["any"] = map[string]any{}
	}
	for name, settings := range agents {
		agent, ok := settings.(map[string]any)
		require.True(t, ok, "agent %s in\n%s", name, block)
		put(agent, "project", "p1")
		put(agent, "agent", name)
		put(agent, "platform", "onerun")
		put(agent, "executor", "auto")
		if platforms {
			put(section("platforms"), agent["platform"], map[string]any{"type": "onerun", "base_url": "http://localhost:3001", "api_key": "${KEY}"})
		}
		if executors && agent["executor"] != "auto" {
			put(section("executors"), agent["executor"], map[string]any{"type": "scripted"})
		}
	}
	whole, err := yaml.Marshal(file)
	require.NoError(t, err)
	return whole, true
}
