package repocheck_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/assemble"
)

// nameless are the folders that name no platform and no backend: what they need to know
// of one it says itself, in platforms.Type and the registry of package assemble.
var nameless = []string{"internal/config", "internal/process", "worker/command", "starter/command", "workflows"}

// ambiguous are names of types that are also words: they are looked for as quoted
// literals alone. All others are looked for as words, in comments too.
var ambiguous = []string{"http", "command", "mcp", "echo"}

// backendImport finds imports of a backend's package.
var backendImport = regexp.MustCompile(`"github\.com/parley-run/parley/(platforms|executors|tools)/([a-z0-9_/]+)"`)

// notBackends are packages below executors that are no backends.
var notBackends = []string{"budget", "limit", "breaker", "failover"}

// Adding a platform or a backend changes none of these folders.
func TestFoldersThatNameNoBackend(t *testing.T) {
	t.Parallel()
	names := typeNames()
	for _, folder := range nameless {
		files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(folder), "*.go"))
		require.NoError(t, err)
		require.NotEmpty(t, files, folder)
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			for _, fault := range namesIn(string(text), names) {
				t.Errorf("%s/%s:%s", folder, filepath.Base(path), fault)
			}
		}
	}
}

func TestNamesAreFound(t *testing.T) {
	t.Parallel()
	names := typeNames()
	for _, name := range []string{"onerun", "pulse", "openai", "anthropic", "gemini", "runagent", "scripted", "a2a", "iii", "http", "command", "mcp"} {
		require.Contains(t, names, name)
	}
	for text, want := range map[string]int{
		"// OneRun's key":   1,
		`kind == "http"`:    1,
		"// an HTTP server": 0,
		"// impulse":        0,
		`"github.com/parley-run/parley/executors/openai"`: 2, // the word, and the import
		`"github.com/parley-run/parley/executors/limit"`:  0,
	} {
		require.Len(t, namesIn(text, names), want, text)
	}
}

// typeNames are those of the registry. Direct conversations are no platform's: the word
// is that of package conversation.
func typeNames() []string {
	backends := assemble.Builtin()
	var names []string
	for _, p := range backends.Platforms {
		if p.Name != conversation.DirectPlatform {
			names = append(names, p.Name)
		}
	}
	for _, e := range backends.Executors {
		names = append(names, e.Name)
	}
	for _, s := range backends.Tools {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// namesIn are the places where a text names a backend.
func namesIn(text string, names []string) []string {
	var faults []string
	for i, line := range strings.Split(text, "\n") {
		for _, name := range names {
			word := regexp.MustCompile(`(?i)\b` + regexp.QuoteMeta(name) + `\b`)
			named := word.MatchString(line)
			if slices.Contains(ambiguous, name) {
				named = strings.Contains(line, `"`+name+`"`)
			}
			if named {
				faults = append(faults, fmt.Sprintf("%d: names %q: have its type say what is needed (platforms.Type, or package assemble)", i+1, name))
			}
		}
		if m := backendImport.FindStringSubmatch(line); m != nil && !slices.Contains(notBackends, m[2]) {
			faults = append(faults, fmt.Sprintf("%d: imports %s/%s: go through package assemble", i+1, m[1], m[2]))
		}
	}
	return faults
}
