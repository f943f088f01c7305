package build

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

const (
	ourModule       = "github.com/parley-run/parley"
	devserverModule = ourModule + "/devserver"
)

// A source is where the devserver is built from.
type source struct {
	dir string
}

// errNoSource means that the working directory is not in a checkout.
var errNoSource = errors.New("no folder above the working directory holds the devserver's module")

// findSource takes SourceDir, or a checkout above the working directory, or the Go
// module cache.
func findSource(ctx context.Context, c Cache) (source, error) {
	if c.SourceDir != "" {
		if !holdsDevserver(c.SourceDir) {
			return source{}, fmt.Errorf("%s is not the folder of module %s", c.SourceDir, devserverModule)
		}
		return source{c.SourceDir}, nil
	}
	wd, err := os.Getwd()
	if err != nil {
		return source{}, err
	}
	if dir, ok := walkUp(wd); ok {
		return source{dir}, nil
	}
	dir, err := fromModuleProxy(ctx, c)
	if err != nil {
		return source{}, fmt.Errorf("find the devserver's source: %w, and %w; %w", errNoSource, err, errNoServer)
	}
	return source{dir}, nil
}

// walkUp finds the devserver folder of the checkout that contains dir.
func walkUp(dir string) (string, bool) {
	for {
		if candidate := filepath.Join(dir, "devserver"); holdsDevserver(candidate) {
			return candidate, true
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", false
		}
		dir = parent
	}
}

func holdsDevserver(dir string) bool {
	content, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(content)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "module "); ok {
			return strings.Trim(strings.TrimSpace(name), `"`) == devserverModule
		}
	}
	return false
}

// fromModuleProxy fetches the devserver of this version with the go command. "go install
// module@version" does not work: it refuses a module with replace directives, and the
// devserver needs one.
func fromModuleProxy(ctx context.Context, c Cache) (string, error) {
	version := ourVersion()
	c.OnProgress(Progress{Step: StepDownload, Program: devserverName, Detail: devserverModule + "@" + version})
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", devserverModule+"@"+version)
	cmd.Dir = os.TempDir() // outside any module
	cmd.WaitDelay = time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var module struct{ Dir, Error string }
	if jsonErr := json.Unmarshal(out, &module); jsonErr == nil && module.Dir != "" {
		return module.Dir, nil
	}
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return "", errNoGo
	case module.Error != "":
		return "", errors.New(module.Error)
	case err != nil:
		return "", fmt.Errorf("go mod download %s@%s: %w: %s", devserverModule, version, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return "", fmt.Errorf("go mod download %s@%s: no answer", devserverModule, version)
}

// ourVersion is the release that this program was built from, or "latest". Both modules
// have the same versions.
func ourVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "latest"
	}
	version := ""
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == ourModule {
			version = m.Version
		}
	}
	if version == "" || version == "(devel)" || strings.Contains(version, "+") {
		return "latest"
	}
	return version
}

// key identifies the build: sources, Go version and target.
func (s source) key() (string, error) {
	var files []string
	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path != s.dir && (strings.HasPrefix(name, ".") || name == "testdata") {
				return fs.SkipDir
			}
			return nil
		}
		isSource := strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go")
		if isSource || name == "go.mod" || name == "go.sum" {
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("read the devserver's source: %w", err)
	}
	slices.Sort(files)
	h := sha256.New()
	// This program's Go version is used as the go command's: with "go run" and "go test"
	// they are the same.
	fmt.Fprintf(h, "%s %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	for _, path := range files {
		if err := hashFile(h, s.dir, path); err != nil {
			return "", fmt.Errorf("read the devserver's source: %w", err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:6]), nil
}

func hashFile(h io.Writer, dir, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	name, err := filepath.Rel(dir, path)
	if err != nil {
		return err
	}
	fmt.Fprintf(h, "%s %d\n", filepath.ToSlash(name), info.Size())
	_, err = io.Copy(h, f)
	return err
}
