package repocheck_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/parley-run/parley"

type goPackage struct {
	ImportPath string
}

// list asks the go command about packages of the product's module.
func list(t *testing.T, arguments ...string) []goPackage {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-e", "-json=ImportPath"}, arguments...)...)
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
