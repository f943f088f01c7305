package repocheck_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/parley-run/parley"

type goPackage struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Deps       []string
}

// list asks the go command about packages of the product's module.
func list(t *testing.T, arguments ...string) []goPackage {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-e", "-json=ImportPath,Standard,Imports,Deps"}, arguments...)...)
	cmd.Dir = root
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var packages []goPackage
	for decoder := json.NewDecoder(out); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else {
			require.NoError(t, err)
		}
		packages = append(packages, p)
	}
	require.NoError(t, cmd.Wait())
	require.NotEmpty(t, packages)
	return packages
}

// A layer may not import what would turn the house upside down.
var layers = []struct {
	layer     string   // this package and those below it
	forbidden []string // import paths, and all below them
	reason    string
}{
	{"conversation", []string{module, "go.temporal.io"}, "the words know neither Temporal nor a platform"},
	{"executors", []string{"go.temporal.io", module + "/activities", module + "/workflows", module + "/platforms"}, "a backend knows nothing of what drives it"},
	{"tools", []string{"go.temporal.io", module + "/activities", module + "/workflows", module + "/platforms", module + "/executors"}, "a set of tools knows nothing of what drives it"},
	{"platforms", []string{"go.temporal.io", module + "/activities", module + "/workflows", module + "/executors"}, "a platform knows nothing of what drives it"},
	{"internal/program", []string{"go.temporal.io", module + "/activities", module + "/workflows", module + "/platforms", module + "/executors", module + "/tools"}, "a program knows nothing of who runs it"},
	{"workflows", []string{module + "/executors", module + "/platforms"}, "a workflow does no I/O: activities do"},
	{"workflows", []string{"net", "os", "math/rand", "io/ioutil"}, "workflow code is replayed and must be deterministic"},
	{"internal/sim", []string{"go.temporal.io", module + "/activities", module + "/workflows", module + "/platforms"}, "practice must not share code with what practises"},
}

func TestImportsPointOneWay(t *testing.T) {
	t.Parallel()
	packages := list(t, "./...")
	for _, l := range layers {
		for _, p := range packages {
			if !below(p.ImportPath, module+"/"+l.layer) {
				continue
			}
			for _, imported := range p.Imports {
				forbidden := slices.ContainsFunc(l.forbidden, func(f string) bool { return below(imported, f) })
				// A layer may always use what is its own, and the layer below all.
				if forbidden && !below(imported, module+"/"+l.layer) && imported != module+"/conversation" {
					t.Errorf("%s imports %s: %s", p.ImportPath, imported, l.reason)
				}
			}
		}
	}
}

func below(path, top string) bool {
	return path == top || strings.HasPrefix(path, top+"/")
}

// The image is built from the folders that .dockerignore lets through.
func TestImageGetsWhatItBuilds(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, ".dockerignore"))
	require.NoError(t, err)
	allowed := map[string]bool{}
	for _, line := range strings.Split(string(text), "\n") {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "!"); ok {
			allowed[strings.TrimSuffix(name, "/")] = true
		}
	}
	require.True(t, allowed["*.go"] && allowed["go.mod"] && allowed["go.sum"])
	for _, p := range list(t, "-deps", "./worker", "./starter", "./simulator") {
		name, ok := strings.CutPrefix(p.ImportPath, module+"/")
		if !ok {
			continue
		}
		folder, _, _ := strings.Cut(name, "/")
		if !allowed[folder] {
			t.Errorf("%s is built into the image, but .dockerignore keeps %s out", p.ImportPath, folder)
		}
	}
}
